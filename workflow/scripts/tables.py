"""Records and latencies -> the tables."""

import sys

from adapter import job

with job(snakemake):
    from morse.results.records import read_records
    from morse.results.runs import check_one_code
    from morse.results.tables import make_tables, read_latencies, read_trainings, write_tables

    files, config = snakemake.input, snakemake.params
    trainings = read_trainings(files.trainings, config.trained)
    tables = make_tables(
        read_records(files.records, files.metrics), read_latencies(files.latencies), trainings, config.quality
    )
    if warning := check_one_code(tables["runs"]):
        print(f"warning: {warning}", file=sys.stderr)
    write_tables(tables, snakemake.output)
