"""Records and latencies -> the tables."""

import sys

from adapter import job

with job(snakemake):
    from morse.results.records import read_records
    from morse.results.runs import check_one_code, check_one_device
    from morse.results.speedup import without_baseline
    from morse.results.tables import make_tables, read_latencies, read_trainings, write_tables

    files, config = snakemake.input, snakemake.params
    records, latencies = read_records(files.records, files.metrics), read_latencies(files.latencies)
    tables = make_tables(records, latencies, read_trainings(files.trainings, config.trained), config.quality)
    runs = tables["runs"]
    checks = check_one_code(runs), check_one_device(runs, latencies, files.latencies), without_baseline(runs)
    for warning in filter(None, checks):
        print(f"warning: {warning}", file=sys.stderr)
    write_tables(tables, snakemake.output)
