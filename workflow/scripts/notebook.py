"""A notebook -> its executed copy."""

from pathlib import Path

from adapter import job

with job(snakemake):
    from morse.report.notebook import execute

    paths = {name: str(Path(path).resolve()) for name, path in snakemake.input.items() if name != "notebook"}
    execute(snakemake.input.notebook, snakemake.output.notebook, paths)
