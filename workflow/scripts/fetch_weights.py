"""Published weights -> the folder of weights."""

from pathlib import Path

from adapter import job

with job(snakemake):
    from morse.published import PUBLISHED, fetch

    fetch(PUBLISHED[snakemake.wildcards.file], Path(snakemake.output[0]))
