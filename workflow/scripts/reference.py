"""A data set's split -> its statistics and features; the statistics from the file that the card names, where it is of these images."""

import sys
from pathlib import Path

from adapter import device_of, job

with job(snakemake):
    from morse.data.archive import identity, load_split
    from morse.quality.extractors import load_extractor
    from morse.quality.features import Features
    from morse.quality.statistics import Statistics

    config, data, outputs = snakemake.params, snakemake.params.data, snakemake.output
    extractor = load_extractor(config.extractor, device_of(config.device, snakemake.threads))
    of_data = identity(data["file"], data["sha256"], config.split, data["size"])
    statistics = Statistics.load(config.shipped["file"], config.shipped["sha256"]) if config.shipped else None
    if statistics and (statistics.extractor, statistics.data) != (extractor.identity, of_data):
        print(f"{config.shipped['file']} is of another extractor or data: the statistics are made anew", file=sys.stderr)
        statistics = None
    if statistics is None or outputs.features:
        images = load_split(data["file"], config.split, data["size"], data["sha256"]).images
        values = extractor(images)
        if outputs.features:
            Features(extractor.identity, of_data, 0, values).save(Path(outputs.features))
        if statistics is None:
            statistics = Statistics.empty(extractor.identity, of_data, images.shape[1:], extractor.dim, groups=1)
            statistics.add(values, 0)
    statistics.save(Path(outputs.statistics))
