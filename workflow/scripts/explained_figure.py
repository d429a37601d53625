"""The map of the explained residual -> a figure."""

import numpy as np
from adapter import job, read_json

with job(snakemake):
    from morse.report import curves as plots

    record = read_json(snakemake.input.record)
    cells = np.array(record["explained"], dtype=float)
    title = f"What Dot explains, {record['model']}: {record['overall']:.2f} over all"
    plots.save(plots.residual_heatmap(cells, record["s_edges"], record["gap_edges"], title), plots.formats(snakemake.output.figure))
