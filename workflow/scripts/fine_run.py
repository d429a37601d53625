"""Images of Dash with many calls, from the noise on which a model's plans are tried."""

from adapter import device_of, job

with job(snakemake, networks=True):
    from morse.dash.loading import load_dash
    from morse.samplers import make_sampler
    from morse.sampling.plan_search import save_fine_run, text_of

    config, device = snakemake.params, device_of(snakemake)
    dash = load_dash(config.card, device=device, with_text=False)
    sampler = make_sampler(config.sampler, dash.schedule, config.calls)
    text = text_of(snakemake.input.prompts, snakemake.wildcards.guidance)
    save_fine_run(dash, sampler, config.images, snakemake.output.fine, device, text)
