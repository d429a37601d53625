"""Published weights in their authors' layout -> a file of Dash's weights."""

from pathlib import Path

from adapter import job

with job(snakemake, networks=True):
    from morse.dash.converters import convert_file
    from morse.published import origin

    source = origin([Path(path) for path in snakemake.input])
    convert_file(snakemake.params.card, source, Path(snakemake.output.weights))
