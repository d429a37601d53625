"""Claims, runs and speedups -> verdicts, as CSV, Markdown and LaTeX."""

from pathlib import Path

from adapter import job, write_text

with job(snakemake):
    import pandas as pd

    from morse.claims import judge, read_claims
    from morse.tables import claims_text, html, latex, markdown
    from morse.validation import read_yaml

    files, outputs = snakemake.input, snakemake.output
    claims = read_claims(Path(files.claims), read_yaml(Path(files.schema)))
    judged = judge(claims, *(pd.read_csv(files[table]) for table in ("runs", "speedup", "latency", "costs")))
    text = claims_text(judged)
    write_text(judged.to_csv(index=False), outputs.csv)
    write_text(markdown(text), outputs.md)
    write_text(html(text, snakemake.params.caption), outputs.html)
    write_text(latex(text, snakemake.params.caption, "tab:claims"), outputs.tex)
