"""Card and Dash -> Dot's weights."""

from pathlib import Path

from adapter import device_name, device_of, job, write_json

with job(snakemake, networks=True):
    from morse.data.archive import load_split
    from morse.dot.training import train_dot
    from morse.provenance import provenance

    config, data = snakemake.params, snakemake.params.data
    device = device_of(config.device, snakemake.threads)
    images = load_split(data["file"], config.card["dot"]["training"]["split"], data["size"], data["sha256"]).images
    made = train_dot(config.card, Path(snakemake.input.dash), images, Path(snakemake.output.dot), device)
    write_json(made | {"provenance": provenance(device_name(device))}, snakemake.output.training)
