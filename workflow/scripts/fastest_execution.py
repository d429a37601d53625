"""Which execution of a network takes the least time on this machine, for the configuration's `execution: best`."""

from adapter import device_name, device_of, job, write_json

with job(snakemake, networks=True):
    from morse.dash.loading import load_dash
    from morse.dot.loading import load_dot
    from morse.provenance import provenance
    from morse.runtime.latency import fastest

    node, config, files = snakemake.wildcards, snakemake.params, snakemake.input
    device = device_of(config.device, snakemake.threads)
    dash = load_dash(config.card, files.dash, config.card["dash"]["sha256"], device)
    network = load_dot(config.card, dash, files.dot) if node.network == "dot" else dash
    found = fastest(node.network, network, dash.shape, config.batch_size, device=device)
    named = {"model": node.model, "network": node.network, "provenance": provenance(device_name(device))}
    write_json(named | found, snakemake.output.record)
