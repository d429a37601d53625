"""Dash's weights -> a data set of images that Dash makes."""

from pathlib import Path

from adapter import device_of, job

with job(snakemake, networks=True):
    from morse.sampling.own_images import own_images

    config, images = snakemake.params, Path(snakemake.output.images)
    own_images(config.card, Path(snakemake.input.dash), images, device_of(snakemake), config.batch_size)
