"""The wall-clock of runs that differ in method alone, made in turn."""

from adapter import device_of, job, written_by

with job(snakemake, networks=True):
    from morse.experiments.axes import cell_of
    from morse.files import write_json
    from morse.results.timing import timing_record
    from morse.runtime.execution import executions_of
    from morse.sampling.timing import time_runs

    cell, config, files, device = cell_of(snakemake.wildcards), snakemake.params, snakemake.input, device_of(snakemake)
    executions = executions_of(config.execution, files.executions, config.networks, device)
    parts = config.rounds, config.images, config.shards, config.batch_size
    plans = dict(zip(config.searching, files.plans, strict=True))
    made_with = executions, files.dot, plans, files.prompts, config.size
    timed = time_runs(cell, config.card, config.sampler, config.methods, *parts, device, *made_with)
    write_json(timing_record(cell, timed, written_by(device)), snakemake.output.record)
