"""What Dash makes with many calls, from the noise that all plans of a model and sampler are tried on."""

import time

from adapter import PLANNING_SEED, device_of, job

with job(snakemake, networks=True):
    from morse.dash.loading import load_dash
    from morse.files import write_npz
    from morse.samplers import make_sampler
    from morse.sampling.plan_search import fine_run

    config, files = snakemake.params, snakemake.input
    device = device_of(config.device, snakemake.threads)
    dash = load_dash(config.card, files.dash, config.card["dash"]["sha256"], device)
    started = time.monotonic()
    sampler = make_sampler(config.sampler, dash.schedule, config.calls)
    # A stochastic one has no such run; no images stand for that.
    fine = [] if sampler.stochastic else fine_run(dash, sampler, config.images, PLANNING_SEED, device).cpu().numpy()
    write_npz(snakemake.output.fine, compress=True, images=fine, seconds=time.monotonic() - started)
