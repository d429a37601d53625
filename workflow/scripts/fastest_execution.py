"""The execution of a network that takes the least time on this machine.

It is for the configuration's `execution: best`.
"""

from adapter import device_of, job, written_by

with job(snakemake, networks=True):
    from morse.runtime.arguments import taken_by
    from morse.runtime.execution import save_execution
    from morse.runtime.latency import fastest
    from morse.sampling.run import load_networks

    wildcards, config, device = snakemake.wildcards, snakemake.params, device_of(snakemake)
    loaded = load_networks(config.card, ("dash", wildcards.network), snakemake.input.dot, device)
    dash, network = loaded["dash"], loaded[wildcards.network]
    example = {"cond": dash.example(config.batch_size, device), "takes": taken_by(network)}
    found = fastest(wildcards.network, network, dash.shape, config.batch_size, device=device, **example)
    save_execution(wildcards.model, wildcards.network, found, written_by(device), snakemake.output.record)
