"""One shard of a node's images."""

from dataclasses import replace

from adapter import device_name, device_of, executions_of, job, read_json

with job(snakemake, networks=True):
    from morse.dash.loading import load_dash
    from morse.data.parts import bounds
    from morse.dot.loading import load_dot
    from morse.methods.baseline import DashOnly
    from morse.methods.morse import Morse
    from morse.methods.plans import POLICIES, dash_plan, read_plan
    from morse.provenance import provenance
    from morse.runtime.execution import EXECUTIONS, executable
    from morse.samplers import make_sampler
    from morse.sampling.loop import batch_sizes, sample
    from morse.sampling.shards import save_shard

    node, config, files = snakemake.wildcards, snakemake.params, snakemake.input
    device = device_of(config.device, snakemake.threads)
    dash = load_dash(config.card, files.dash, config.card["dash"]["sha256"], device)
    budget = int(node.budget)
    networks = ["dash", "dot"] if node.method == "morse" else ["dash"]
    executions = executions_of(config.execution, files.executions, networks)
    run_dash = executable(dash, executions["dash"], device)
    if node.method == "morse":
        ratio = config.card["dot"]["ratio"]
        if config.policy["name"] == "auto":
            plan = read_plan(read_json(files.plan)["plan"], ratio)
        else:
            plan = POLICIES[config.policy["name"]](budget, ratio, **config.policy["settings"])
        dot = load_dot(config.card, dash, files.dot)
        predictor = Morse(run_dash, executable(dot, executions["dot"], device), plan)
    else:
        plan = dash_plan(budget)
        predictor = DashOnly(run_dash)
    sampler = make_sampler(config.sampler, dash.schedule, len(plan.dash))
    first, count = bounds(config.images, config.shards, int(node.shard))
    caption = f"{node.model} {node.sampler} {node.method} {budget} LSD, seed {node.seed}"
    repeats = max(EXECUTIONS[execution] for execution in executions.values())
    warm_up = repeats * batch_sizes(count, config.batch_size) or [2]
    shard = sample(predictor, sampler, dash.shape, int(node.seed), first, count, config.batch_size, device, caption, warm_up)
    made_by = provenance(device_name(device)) | {"execution": executions}
    save_shard(replace(shard, provenance=made_by), snakemake.output.shard)
