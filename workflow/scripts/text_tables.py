"""Tables as CSV -> Markdown, LaTeX and HTML."""

from adapter import job

with job(snakemake):
    from morse.report.text_tables import write_text_tables
    from morse.results.columns import read_table

    outputs = snakemake.output
    for name, *paths in zip(
        snakemake.params.tables, snakemake.input, outputs.md, outputs.tex, outputs.html, strict=True
    ):
        write_text_tables(read_table(paths[0]), name, *paths[1:])
