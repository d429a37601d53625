"""One shard of a run's images."""

from adapter import device_of, job

with job(snakemake, networks=True):
    from morse.experiments.axes import run_of
    from morse.runtime.execution import executions_of
    from morse.sampling.run import run_shard
    from morse.sampling.shards import save_shard

    run, config, files = run_of(snakemake.wildcards), snakemake.params, snakemake.input
    device = device_of(snakemake)
    executions = executions_of(config.execution, files.executions, config.networks, device)
    parts = config.images, config.shards, config.batch_size
    settings = config.card, config.sampler, config.settings
    made_with = executions, files.dot, files.plan, files.prompts, config.size
    shard = run_shard(run, int(snakemake.wildcards.shard), *settings, *parts, device, *made_with)
    save_shard(shard, snakemake.output.shard)
