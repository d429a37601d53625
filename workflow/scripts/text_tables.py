"""Tables as CSV -> Markdown, LaTeX and HTML."""

from adapter import job

with job(snakemake):
    import pandas as pd

    from morse.report.text_tables import write_text_tables

    outputs = snakemake.output
    for name, *paths in zip(
        snakemake.params.tables, snakemake.input, outputs.md, outputs.tex, outputs.html, strict=True
    ):
        write_text_tables(pd.read_csv(paths[0]), name, *paths[1:])
