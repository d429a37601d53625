"""The map of the explained residual -> a figure."""

import numpy as np
from adapter import job, read_json

with job(snakemake):
    from morse.report.explained import residual_heatmap
    from morse.report.style import formats, save

    record = read_json(snakemake.input.record)
    cells = np.array(record["explained"], dtype=float)
    title = f"What Dot explains, {record['model']}: {record['overall']:.2f} over all"
    save(residual_heatmap(cells, record["s_edges"], record["gap_edges"], title), formats(snakemake.output.figure))
