"""Claims and tables -> verdicts."""

from pathlib import Path

from adapter import job

with job(snakemake):
    from morse.experiments.cards import schema
    from morse.results.claims import judge, read_claims
    from morse.results.columns import read_table, write_table

    files = snakemake.input
    claims = read_claims(Path(files.claims), schema("claims"))
    judged = judge(claims, *(read_table(files[table]) for table in ("runs", "speedup", "latency", "costs")))
    write_table(judged, snakemake.output.csv)
