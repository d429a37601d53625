"""Card and Dash -> Dot's weights."""

from pathlib import Path

from adapter import device_of, job, written_by

with job(snakemake, networks=True):
    from morse.data.archive import load_split
    from morse.dot.training import train_dot
    from morse.files import write_json
    from morse.results.records import training_record

    config, device = snakemake.params, device_of(snakemake)
    data = load_split(config.data, config.card["dot"]["training"]["split"])
    dash, output = Path(snakemake.input.dash), Path(snakemake.output.dot)
    training = train_dot(config.card, dash, data.images, output, device, data.labels)
    write_json(training_record(training, written_by(device)), snakemake.output.training)
