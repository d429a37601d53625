"""A task's prompts -> their features by one extractor that reads text."""

from pathlib import Path

from adapter import device_of, job

with job(snakemake):
    from morse.data import prompts as task
    from morse.quality.extractors import text_features
    from morse.quality.prompt_features import PromptFeatures

    prompts = task.prompts_of(snakemake.params.task)
    found = text_features(snakemake.params.extractor, prompts, device_of(snakemake))
    features = PromptFeatures(found.extractor, task.identity_of(prompts), found.cut, found.values)
    features.save(Path(snakemake.output.features))
