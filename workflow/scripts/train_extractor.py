"""Data -> the small classifier's weights, and its accuracy on the test split."""

from pathlib import Path

from adapter import device_of, job, written_by

with job(snakemake, networks=True):
    from morse.data.loading import load_split
    from morse.files import write_json
    from morse.quality.extractors.fashion_classifier import train_classifier
    from morse.results.records import training_record

    config, device = snakemake.params, device_of(snakemake)
    train, test = (load_split(config.data, split) for split in (config.recipe["split"], "test"))
    training = train_classifier(config.recipe, train, test, Path(snakemake.output.weights), device)
    write_json(training_record(training, written_by(device)), snakemake.output.training)
