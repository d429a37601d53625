"""Card -> Dash's weights, trained from random ones."""

from pathlib import Path

from adapter import device_of, job, written_by

with job(snakemake, networks=True):
    from morse.dash.training import train_dash
    from morse.data.loading import load_split
    from morse.files import write_json
    from morse.results.records import training_record

    config, device = snakemake.params, device_of(snakemake)
    data = load_split(config.data, config.card["training"]["split"])
    training = train_dash(config.card, data.images, Path(snakemake.output.weights), device, data.labels)
    write_json(training_record(training, written_by(device)), snakemake.output.training)
