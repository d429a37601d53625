"""A shard of images -> its features by one extractor."""

from pathlib import Path

from adapter import device_of, job

with job(snakemake):
    from morse.experiments.axes import path_pattern
    from morse.quality.extractors import load_extractor
    from morse.quality.features import Features
    from morse.sampling.shards import load_shard

    shard, run = load_shard(snakemake.input.shard), path_pattern().format(**dict(snakemake.wildcards.items()))
    extractor = load_extractor(snakemake.params.extractor, device_of(snakemake))
    Features(extractor.identity, run, shard.first, extractor(shard.images)).save(Path(snakemake.output.features))
