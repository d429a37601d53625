"""A shard of images -> its statistics, its features, or both, as the rule has outputs."""

from pathlib import Path

from adapter import device_of, job

with job(snakemake):
    from morse.experiments.axes import path_pattern
    from morse.quality.extractors import load_extractor
    from morse.quality.features import Features
    from morse.quality.statistics import Statistics
    from morse.sampling.shards import load_shard

    node, config = snakemake.wildcards, snakemake.params
    shard = load_shard(snakemake.input.shard)
    extractor = load_extractor(config.extractor, device_of(config.device, snakemake.threads))
    run = path_pattern().format(**dict(node.items()))
    values = extractor(shard.images)
    if path := snakemake.output.get("statistics"):
        statistics = Statistics.empty(extractor.identity, run, shard.images.shape[1:], extractor.dim, config.groups)
        statistics.add(values, shard.first)
        statistics.save(Path(path))
    if snakemake.output.features:
        Features(extractor.identity, run, shard.first, values).save(Path(snakemake.output.features))
