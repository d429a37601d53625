"""The plan of a budget: the nearest to a fine run, or for stochastic samplers the paper's."""

from adapter import device_of, job

with job(snakemake, networks=True):
    from morse.samplers import make_sampler
    from morse.sampling.plan_search import save_choice, text_of
    from morse.sampling.run import load_networks

    config, files, device = snakemake.params, snakemake.input, device_of(snakemake)
    dash, dot = load_networks(config.card, ("dash", "dot"), files.dot, device).values()
    save_choice(
        dash,
        dot,
        lambda calls: make_sampler(config.sampler, dash.schedule, calls),
        int(snakemake.wildcards.budget),
        config.card["dot"]["ratio"],
        *(config.auto, config.paper, files.fine, snakemake.output.plan, device),
        text_of(files.prompts, snakemake.wildcards.guidance),
    )
