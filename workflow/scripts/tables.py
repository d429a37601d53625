"""Records and latencies -> the tables."""

import sys

from adapter import job

with job(snakemake):
    from morse.results.records import read_records
    from morse.results.runs import check_one_code
    from morse.results.speedup import without_baseline
    from morse.results.tables import make_tables, read_latencies, read_trainings, write_tables

    files, config = snakemake.input, snakemake.params
    trainings = read_trainings(files.trainings, config.trained)
    tables = make_tables(
        read_records(files.records, files.metrics), read_latencies(files.latencies), trainings, config.quality
    )
    for warning in filter(None, (check_one_code(tables["runs"]), without_baseline(tables["runs"]))):
        print(f"warning: {warning}", file=sys.stderr)
    write_tables(tables, snakemake.output)
