"""Images of runs -> one grid, a row each."""

import numpy as np
from adapter import job

with job(snakemake):
    from morse import plots

    rows = []
    for caption, path in zip(snakemake.params.captions, snakemake.input.images, strict=True):
        with np.load(path) as file:
            rows.append((f"{caption} LSD", file["images"]))
    node = snakemake.wildcards
    plots.save(plots.image_grid(rows, f"{node.model}, {node.sampler}: the same noise in each column"), [snakemake.output.grid])
