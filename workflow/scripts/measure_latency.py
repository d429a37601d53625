"""How fast Dash and Dot are on this machine, and how large."""

from itertools import product

from adapter import device_name, device_of, executions_of, job, write_json

with job(snakemake, networks=True):
    from morse.dash.loading import load_dash
    from morse.dot.loading import load_dot, own_parameters
    from morse.provenance import provenance
    from morse.runtime.device import memory_format
    from morse.runtime.flops import flops
    from morse.runtime.latency import measure

    config, files = snakemake.params, snakemake.input
    device = device_of(config.device, snakemake.threads)
    dash = load_dash(config.card, files.dash, config.card["dash"]["sha256"], device)
    dot = load_dot(config.card, dash, files.dot)
    # The run's own first: its N counts.
    own = executions_of(config.execution, files.executions, ["dash", "dot"])
    executions = dict.fromkeys([tuple(own.values()), *((name, name) for name in config.settings["executions"])])
    batch_sizes = dict.fromkeys([config.batch_size, *config.settings["batch_sizes"]])
    made = [
        measure(dash, dot, dash.shape, batch_size, config.settings["repetitions"], device, *pair).record()
        for pair, batch_size in product(executions, batch_sizes)
    ]
    of_dash, of_dot = flops(dash, dot, dash.shape, device)
    record = {
        "model": snakemake.wildcards.model,
        "scale": config.card["scale"],
        "ratio": made[0]["ratio"],
        "measurements": made,
        "flops": {"dash": of_dash, "dot": of_dot},
        "parameters": {
            "dash": sum(p.numel() for p in dash.network.parameters()),
            "dot": sum(p.numel() for p in dot.parameters()),
            "dot_own": own_parameters(config.card),
        },
        "memory_format": str(memory_format(device)).removeprefix("torch."),
        "provenance": provenance(device_name(device)),
    }
    write_json(record, snakemake.output.record)
