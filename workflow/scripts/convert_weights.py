"""Published weights in their authors' layout -> a file of Dash's weights."""

from pathlib import Path

from adapter import job

with job(snakemake, networks=True):
    from morse.dash.converters import convert_file

    convert_file(snakemake.params.card, Path(snakemake.input[0]), Path(snakemake.output.weights))
