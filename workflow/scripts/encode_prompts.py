"""The prompts of a task as a model takes them."""

from pathlib import Path

from adapter import device_of, job

with job(snakemake):
    from morse.data.prompts import prompts_of
    from morse.sampling.prompts import encode_for_runs

    config = snakemake.params
    prompts = prompts_of(config.task)[: config.images]  # runs need no more
    encode_for_runs(config.card, prompts, Path(snakemake.output.encoded), device_of(snakemake))
