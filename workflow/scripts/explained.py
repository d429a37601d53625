"""The map of what Dot explains, on images it was not trained on."""

import numpy as np
from adapter import device_of, job, write_json

with job(snakemake, networks=True):
    from morse.dash.loading import load_dash
    from morse.data.archive import load_split
    from morse.dot.chains import ChainSettings, ChainSource
    from morse.dot.explained import GAP_EDGES, S_EDGES, explained_residual
    from morse.dot.loading import load_dot

    config, data, files = snakemake.params, snakemake.params.data, snakemake.input
    device = device_of(config.device, snakemake.threads)
    dash = load_dash(config.card, files.dash, config.card["dash"]["sha256"], device)
    dot = load_dot(config.card, dash, files.dot)
    images = load_split(data["file"], "test", data["size"], data["sha256"]).images
    chains = ChainSettings(**config.card["dot"]["training"]["chain"] | {"flip": False})
    source = ChainSource(dash, images, chains, device)
    cells, overall = explained_residual(dot, source, seed=0, draws=config.draws)
    cells = [[None if np.isnan(cell) else float(cell) for cell in row] for row in cells]
    record = {"model": snakemake.wildcards.model, "overall": overall, "s_edges": S_EDGES, "gap_edges": GAP_EDGES, "explained": cells}
    write_json(record, snakemake.output.record)
