"""Images of runs -> one grid, a row each."""

import numpy as np
from adapter import job

with job(snakemake):  # noqa: F821
    from morse import plots

    rows = []
    for caption, path in zip(snakemake.params.captions, snakemake.input.images, strict=True):  # noqa: F821
        with np.load(path) as file:
            rows.append((f"{caption} LSD", file["images"]))
    node = snakemake.wildcards  # noqa: F821
    plots.save(plots.image_grid(rows, f"{node.model}, {node.sampler}: the same noise in each column"), [snakemake.output.grid])  # noqa: F821
