"""Dot's weights -> Dot for inference, its LoRA merged."""

from pathlib import Path

from adapter import job

with job(snakemake, networks=True):
    from morse.dash.loading import load_dash
    from morse.dot.loading import prepare_dot

    config = snakemake.params
    prepare_dot(config.card, load_dash(config.card), Path(snakemake.output.dot), snakemake.input.dot, config.dot_sha256)
