"""The plan of one budget: the nearest to a fine run of Dash; where the sampler is stochastic, the paper's."""

from adapter import PLANNING_SEED, device_of, job, write_json

with job(snakemake, networks=True):
    import torch

    from morse.dash.loading import load_dash
    from morse.dot.loading import load_dot
    from morse.files import open_npz
    from morse.methods.plans import morse_plan
    from morse.samplers import make_sampler
    from morse.sampling.plan_search import candidates, choose_plan

    config, files, budget = snakemake.params, snakemake.input, int(snakemake.wildcards.budget)
    ratio, auto = config.card["dot"]["ratio"], config.auto
    with open_npz(files.fine, "fine run", "delete it and run again") as arrays:
        fine, fine_seconds = torch.from_numpy(arrays["images"]), float(arrays["seconds"])
    if not len(fine):
        plan, errors, seconds = morse_plan(budget, ratio, **config.paper), (), 0.0
    else:
        device = device_of(config.device, snakemake.threads)
        dash = load_dash(config.card, files.dash, config.card["dash"]["sha256"], device)

        def sampler(calls):
            return make_sampler(config.sampler, dash.schedule, calls)

        plans = candidates(budget, ratio, auto["shares"], auto["leans"])
        choice = choose_plan(dash, load_dot(config.card, dash, files.dot), sampler, plans, fine.to(device), PLANNING_SEED)
        plan, errors, seconds = choice.plan, choice.errors, choice.seconds
    found = [{"plan": letters, "error": error} for letters, error in errors]
    cost = {"seconds": seconds, "fine_run_seconds": fine_seconds}
    write_json({"plan": plan.letters, "ratio": ratio, "candidates": found} | cost, snakemake.output.plan)
