"""Features of a run by one extractor -> its metrics."""

from adapter import job

with job(snakemake):
    from morse.files import write_json
    from morse.quality.features import read_features, read_with_reference
    from morse.quality.metrics import measure
    from morse.results.records import metrics_record

    files, config, prompts = snakemake.input, snakemake.params, None
    if files.prompts:
        from morse.data import prompts as task
        from morse.quality.prompt_features import PromptFeatures

        prompts = PromptFeatures.load(files.prompts, task.identity_of(task.prompts_of(config.task)))
    features, sums = read_with_reference(files.features, files.reference)
    metrics = measure(config.names, features, read_features([files.reference_features]), sums, config.groups, prompts)
    record = metrics_record(snakemake.wildcards.extractor, config.caption, features, sums, metrics)
    write_json(record, snakemake.output.metrics)
