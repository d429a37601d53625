"""Claims and tables -> verdicts."""

from pathlib import Path

from adapter import job

with job(snakemake):
    import pandas as pd

    from morse.experiments.cards import schema
    from morse.files import write_text
    from morse.results.claims import judge, read_claims

    files = snakemake.input
    claims = read_claims(Path(files.claims), schema("claims"))
    judged = judge(claims, *(pd.read_csv(files[table]) for table in ("runs", "speedup", "latency", "costs")))
    write_text(judged.to_csv(index=False), snakemake.output.csv)
