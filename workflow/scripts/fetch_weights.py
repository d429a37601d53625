"""Published weights -> the folder of weights."""

from pathlib import Path

from adapter import job

with job(snakemake):
    from morse.weights import INCEPTION, fetch

    published = {weights.file: weights for weights in INCEPTION.values()}
    fetch(published[snakemake.wildcards.file], Path(snakemake.output[0]))
