"""Card -> Dash's weights, trained from random ones."""

from pathlib import Path

from adapter import device_name, device_of, job, write_json

with job(snakemake, networks=True):
    from morse.dash.training import train_dash
    from morse.data.archive import load_split
    from morse.provenance import provenance

    config, data = snakemake.params, snakemake.params.data
    device = device_of(config.device, snakemake.threads)
    images = load_split(data["file"], config.card["training"]["split"], data["size"], data["sha256"]).images
    made = train_dash(config.card, images, Path(snakemake.output.weights), device)
    write_json(made | {"provenance": provenance(device_name(device))}, snakemake.output.training)
