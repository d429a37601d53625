"""The plan of one budget: the nearest to a fine run of Dash; where the sampler is stochastic, the paper's."""

from adapter import device_of, job, write_json

PLANNING_SEED = 1_000_000  # apart from the seeds of runs

with job(snakemake):
    from morse.budget import morse_plan
    from morse.planning import candidates, choose_plan, is_stochastic
    from morse.samplers import SAMPLERS
    from morse.zoo import load_dash, load_dot

    config, files, budget = snakemake.params, snakemake.input, int(snakemake.wildcards.budget)
    device = device_of(config.device, snakemake.threads)
    dash = load_dash(config.card, files.dash, config.card["dash"]["sha256"], device)
    ratio, auto = config.card["dot"]["ratio"], config.auto

    def sampler(calls):
        return SAMPLERS[config.sampler["kind"]](dash.schedule, calls, **config.sampler["options"])

    if is_stochastic(sampler(budget)):
        plan, errors, seconds = morse_plan(budget, ratio, **config.paper), (), 0.0
    else:
        dot = load_dot(config.card, dash, files.dot)
        plans = candidates(budget, ratio, auto["shares"])
        choice = choose_plan(dash, dot, sampler, plans, auto["images"], auto["fine_calls"], PLANNING_SEED, device)
        plan, errors, seconds = choice.plan, choice.errors, choice.seconds
    names = ("dash_calls", "dot_calls", "error")
    found = [dict(zip(names, row, strict=True)) for row in errors]
    write_json({"plan": plan.letters, "ratio": ratio, "candidates": found, "seconds": seconds}, snakemake.output.plan)
