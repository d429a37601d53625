"""Claims, runs and speedups -> verdicts, as CSV, Markdown and LaTeX."""

from pathlib import Path

from adapter import job

with job(snakemake):
    import pandas as pd

    from morse.claims import judge, read_claims
    from morse.files import write_atomically
    from morse.tables import claims_text, latex, markdown
    from morse.validation import read_yaml

    files, outputs = snakemake.input, snakemake.output
    claims = read_claims(Path(files.claims), read_yaml(Path(files.schema)))
    judged = judge(claims, pd.read_csv(files.runs), pd.read_csv(files.speedup))
    text = claims_text(judged)
    write_atomically(lambda temporary: judged.to_csv(temporary, index=False), Path(outputs.csv))
    write_atomically(lambda temporary: temporary.write_text(markdown(text)), Path(outputs.md))
    write_atomically(lambda temporary: temporary.write_text(latex(text, snakemake.params.caption, "tab:claims")), Path(outputs.tex))
