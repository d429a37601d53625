"""How fast a model's calls are on this machine, and how large its networks."""

from adapter import device_of, job, written_by

with job(snakemake, networks=True):
    from morse.files import write_json
    from morse.results.records import latency_record
    from morse.sampling.call_costs import measure_model

    config, files, device = snakemake.params, snakemake.input, device_of(snakemake)
    how = files.executions, config.execution, config.batch_size, config.settings
    measured = measure_model(config.card, config.methods, files.dot, *how, device)
    record = latency_record(snakemake.wildcards.model, config.card["scale"], *measured, written_by(device))
    write_json(record, snakemake.output.record)
