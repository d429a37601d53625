"""What Dash makes with many calls, from the noise that all plans of a model and sampler are tried on."""

import time

from adapter import PLANNING_SEED, device_of, job, write_arrays

with job(snakemake):
    from morse.planning import fine_run, is_stochastic
    from morse.samplers import SAMPLERS
    from morse.zoo import load_dash

    config, files = snakemake.params, snakemake.input
    device = device_of(config.device, snakemake.threads)
    dash = load_dash(config.card, files.dash, config.card["dash"]["sha256"], device)
    sampler = SAMPLERS[config.sampler["kind"]](dash.schedule, config.calls, **config.sampler["options"])
    started = time.monotonic()
    # A stochastic sampler has no such run; no images stand for that.
    images = 0 if is_stochastic(sampler) else config.images
    fine = fine_run(dash, sampler, images, PLANNING_SEED, device).cpu().numpy() if images else []
    write_arrays(snakemake.output.fine, images=fine, seconds=time.monotonic() - started)
