"""Tables, claims and the layout -> one of the paper's figures at one scale."""

from pathlib import Path

from adapter import job

with job(snakemake):
    from morse.experiments.cards import schema
    from morse.report.paper_figures import paper_figure
    from morse.report.style import formats, save
    from morse.results.claims import read_claims
    from morse.results.columns import read_table

    files, layout, wildcards = snakemake.input, snakemake.params.layout, snakemake.wildcards
    runs, speedups = read_table(files.runs), read_table(files.speedup)
    claims = read_claims(Path(files.claims), schema("claims"))
    figure = paper_figure(layout, wildcards.figure, wildcards.scale, runs, speedups, claims)
    save(figure, formats(snakemake.output.figure))
