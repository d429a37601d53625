"""How fast Dash and Dot are on this machine."""

from adapter import device_name, device_of, job, write_json

with job(snakemake):  # noqa: F821
    from morse.latency import measure
    from morse.provenance import provenance
    from morse.zoo import load_dash, load_dot

    config, files = snakemake.params, snakemake.input  # noqa: F821
    device = device_of(config.device, snakemake.threads)  # noqa: F821
    dash = load_dash(config.card, files.dash, config.card["dash"]["sha256"], device)
    dot = load_dot(config.card, dash, files.dot)
    made = measure(dash, dot, dash.shape, config.settings["batch_size"], config.settings["repetitions"], device)
    record = {"model": snakemake.wildcards.model} | made.record() | {"provenance": provenance(device_name(device))}  # noqa: F821
    write_json(record, snakemake.output.record)  # noqa: F821
