"""Data -> the small classifier's weights, and its accuracy on the test split."""

from pathlib import Path

from adapter import device_name, device_of, job, write_json

with job(snakemake, networks=True):
    from morse.data.archive import load_split
    from morse.provenance import provenance
    from morse.quality.extractors.fashion_classifier import train_classifier

    config, data = snakemake.params, snakemake.params.data
    device = device_of(config.device, snakemake.threads)
    train, test = (load_split(data["file"], split, data["size"], data["sha256"]) for split in (config.recipe["split"], "test"))
    made = train_classifier(config.recipe, train, test, Path(snakemake.output.weights), device)
    write_json(made | {"provenance": provenance(device_name(device))}, snakemake.output.training)
