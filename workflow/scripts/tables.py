"""Records, latencies and timings -> the tables."""

import sys

from adapter import job

with job(snakemake):
    from morse.results.records import read_records
    from morse.results.tables import make_tables, read_latencies, read_timings, read_trainings, warnings, write_tables

    files, config = snakemake.input, snakemake.params
    records, trainings = read_records(files.records, files.metrics), read_trainings(files.trainings, config.trained)
    latencies, timings = read_latencies(files.latencies), read_timings(files.timings)
    tables = make_tables(records, latencies, trainings, config.quality, timings)
    for warning in warnings(tables["runs"], latencies, files.latencies, timings):
        print(f"warning: {warning}", file=sys.stderr)
    write_tables(tables, snakemake.output)
