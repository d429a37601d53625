"""Images of runs -> one grid, with a row for each run."""

from adapter import job

with job(snakemake):
    from morse.report.images import image_grid, read_rows
    from morse.report.style import formats, save

    wildcards = snakemake.wildcards
    rows = read_rows(snakemake.params.captions, snakemake.input.images)
    title = f"{wildcards.model}, {wildcards.sampler}: the same noise in each column"
    save(image_grid(rows, title), formats(snakemake.output.grid))
