"""Records and latencies -> the tables."""

import sys
from pathlib import Path

from adapter import job, read_json

with job(snakemake):
    from morse.files import write_atomically
    from morse.results import check_one_code, runs_table, speedup_summary, speedup_table

    files, outputs = snakemake.input, snakemake.output
    latencies = {record["model"]: record for record in map(read_json, files.latencies)}
    records = [read_json(path) for path in files.records]
    if files.metrics:
        records = [record | {"metrics": read_json(path)} for record, path in zip(records, files.metrics, strict=True)]
    runs = runs_table(records, latencies)
    if warning := check_one_code(runs):
        print(f"warning: {warning}", file=sys.stderr)
    speedups = speedup_table(runs, snakemake.params.saturation)
    tables = {outputs.runs: runs, outputs.speedup: speedups, outputs.summary: speedup_summary(speedups, snakemake.params.max_quality)}
    for path, table in tables.items():
        write_atomically(lambda temporary, table=table: table.to_csv(temporary, index=False), Path(path))
