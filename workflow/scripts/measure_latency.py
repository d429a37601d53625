"""How fast Dash and Dot are on this machine."""

from adapter import device_name, device_of, job, write_json

with job(snakemake):
    from morse.latency import measure
    from morse.provenance import provenance
    from morse.zoo import load_dash, load_dot

    config, files = snakemake.params, snakemake.input
    device = device_of(config.device, snakemake.threads)
    dash = load_dash(config.card, files.dash, config.card["dash"]["sha256"], device)
    dot = load_dot(config.card, dash, files.dot)
    made = measure(dash, dot, dash.shape, config.settings["batch_size"], config.settings["repetitions"], device)
    record = {"model": snakemake.wildcards.model} | made.record() | {"provenance": provenance(device_name(device))}
    write_json(record, snakemake.output.record)
