"""A notebook -> its executed copy."""

from pathlib import Path

from adapter import job

with job(snakemake):
    from morse.report.notebook import execute

    paths = {name: str(Path(snakemake.input[name]).resolve()) for name in ("runs", "speedup", "jackknife")}
    execute(snakemake.input.notebook, snakemake.output.notebook, paths)
