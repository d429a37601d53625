"""Records and latencies -> the tables."""

import sys
from pathlib import Path

from adapter import job, read_json

with job(snakemake):
    from morse.files import write_atomically
    from morse.results.costs import cost_table
    from morse.results.jackknife import jackknife_table
    from morse.results.latency import latency_table
    from morse.results.lossless import with_lossless
    from morse.results.runs import check_one_code, runs_table
    from morse.results.speedup import speedup_draws, speedup_table
    from morse.results.speedup_by_metric import speedups_by_metric
    from morse.results.summary import speedup_summary

    files, outputs = snakemake.input, snakemake.output
    latencies = {record["model"]: record for record in map(read_json, files.latencies)}
    records = [read_json(path) for path in files.records]
    if files.metrics:
        records = [record | {"metrics": read_json(path)} for record, path in zip(records, files.metrics, strict=True)]
    runs = runs_table(records, latencies)
    if warning := check_one_code(runs):
        print(f"warning: {warning}", file=sys.stderr)
    jackknife = jackknife_table(records)
    speedups = speedup_table(runs, jackknife, snakemake.params.saturation)
    speedups = with_lossless(speedups, runs, jackknife, snakemake.params.margin)
    by_metric, summary_by_metric = speedups_by_metric(runs, records, snakemake.params.saturation)
    trainings = dict(snakemake.params.trained)
    for path in files.trainings:
        made = read_json(path)
        trainings[Path(path).stem] = {"seconds": made["seconds"], "hardware": made["provenance"]["device"]}
    tables = {
        outputs.runs: runs,
        outputs.speedup: speedups,
        outputs.summary: speedup_summary(speedups, snakemake.params.max_quality, speedup_draws(runs, jackknife)),
        outputs.jackknife: jackknife,
        outputs.latency: latency_table(latencies.values()),
        outputs.costs: cost_table(runs, speedups, trainings),
        outputs.speedup_by_metric: by_metric,
        outputs.summary_by_metric: summary_by_metric,
    }
    for path, table in tables.items():
        write_atomically(lambda temporary, table=table: table.to_csv(temporary, index=False), Path(path))
