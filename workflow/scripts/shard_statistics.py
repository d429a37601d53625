"""A shard of images -> its statistics."""

from pathlib import Path

from adapter import device_of, job

with job(snakemake):
    from morse.features import load_extractor
    from morse.shards import load_shard
    from morse.statistics import Statistics

    node, config = snakemake.wildcards, snakemake.params
    shard = load_shard(snakemake.input.shard)
    extractor = load_extractor(config.extractor, device_of(config.device, snakemake.threads))
    run = "/".join(f"{axis}={node[axis]}" for axis in ("model", "task", "sampler", "method", "budget", "seed"))
    statistics = Statistics.empty(extractor.identity, run, shard.images.shape[1:], extractor.dim, config.groups)
    statistics.add(extractor(shard.images), shard.first)
    statistics.save(Path(snakemake.output.statistics))
