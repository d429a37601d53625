"""A run, and the same with one call after another corrected -> how much that changes the image."""

from adapter import device_of, job

with job(snakemake, networks=True):
    from morse.files import write_json
    from morse.provenance import provenance
    from morse.results.dot_records import sensitivity_record
    from morse.runtime.device import device_name
    from morse.sampling.plan_search import text_of
    from morse.sampling.sensitivity import run_sensitivity

    config, files, device = snakemake.params, snakemake.input, device_of(snakemake)
    run = dict(snakemake.wildcards.items())
    text = text_of(files.prompts, run["guidance"])
    what = config.card, config.sampler, config.settings, config.images, device, files.dot, files.plan, text
    plan, calls = run_sensitivity(run, *what)
    by = provenance(device_name(device))
    write_json(sensitivity_record(run, plan, calls, config.images, by), snakemake.output.record)
