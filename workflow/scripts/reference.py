"""A data set's split -> its statistics and features."""

from pathlib import Path

from adapter import device_of, job

with job(snakemake):
    from morse.data import load_split
    from morse.feature_files import Features
    from morse.features import load_extractor
    from morse.statistics import Statistics

    config, data = snakemake.params, snakemake.params.data
    extractor = load_extractor(config.extractor, device_of(config.device, snakemake.threads))
    split = load_split(data["file"], config.split, data["size"], data["sha256"])
    statistics = Statistics.empty(extractor.identity, split.identity, split.images.shape[1:], extractor.dim, groups=1)
    values = extractor(split.images)
    statistics.add(values, 0)
    statistics.save(Path(snakemake.output.statistics))
    Features(extractor.identity, split.identity, 0, values).save(Path(snakemake.output.features))
