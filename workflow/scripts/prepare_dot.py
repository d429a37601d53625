"""Dot's weights -> Dot for inference, its LoRA merged."""

from pathlib import Path

from adapter import job

with job(snakemake, networks=True):
    from morse.dash.loading import prepare_dot

    files, config = snakemake.input, snakemake.params
    prepare_dot(config.card, Path(files.dash), Path(files.dot), Path(snakemake.output.dot), config.dot_sha256)
