"""Dot's weights -> Dot for inference, its LoRA merged."""

from pathlib import Path

from adapter import job

with job(snakemake, networks=True):
    from morse.dash.loading import load_dash
    from morse.dot.loading import prepare_dot

    config, files, output = snakemake.params, snakemake.input, Path(snakemake.output.dot)
    dash = load_dash(config.card, with_text=False)
    prepare_dot(config.card, dash, output, files.dot, config.dot_sha256)
