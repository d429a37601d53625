"""Claims, runs and speedups -> verdicts."""

from pathlib import Path

from adapter import job, write_text

with job(snakemake):
    import pandas as pd

    from morse.experiments.schema import read_yaml
    from morse.results.claims import judge, read_claims

    files = snakemake.input
    claims = read_claims(Path(files.claims), read_yaml(Path(files.schema)))
    judged = judge(claims, *(pd.read_csv(files[table]) for table in ("runs", "speedup", "latency", "costs")))
    write_text(judged.to_csv(index=False), snakemake.output.csv)
