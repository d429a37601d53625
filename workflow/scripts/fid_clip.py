"""Tables -> the plane of quality and CLIP score over the guidance scales of a curve."""

from adapter import job

with job(snakemake):
    from morse.report.fid_clip import fid_clip
    from morse.report.style import formats, save
    from morse.results.columns import read_table

    wildcards = snakemake.wildcards
    figure = fid_clip(read_table(snakemake.input.runs), wildcards.model, wildcards.task, wildcards.sampler)
    save(figure, formats(snakemake.output.figure))
