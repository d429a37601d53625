"""Dot's weights -> Dot for inference, its LoRA merged."""

from pathlib import Path

from adapter import job

with job(snakemake, networks=True):
    from morse.dot.loading import prepare_dot

    files, config = snakemake.input, snakemake.params
    prepare_dot(config.card, Path(files.dash), Path(files.dot), Path(snakemake.output.dot), config.dot_sha256)
