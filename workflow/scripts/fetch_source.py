"""A file that others publish -> its place on this machine."""

from adapter import job

with job(snakemake):
    from morse.fetching.fetch import fetch
    from morse.published import Source

    fetch(Source(**snakemake.params.source))
