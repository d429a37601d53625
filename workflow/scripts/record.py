"""Shards and statistics of a node -> its record, and the images of its grid row."""

from adapter import job, write_json

with job(snakemake):
    from morse.files import write_npz
    from morse.quality.statistics import Statistics
    from morse.results.records import make_record
    from morse.sampling.shards import load_shard

    node, config, files = snakemake.wildcards, snakemake.params, snakemake.input
    shards = [load_shard(path) for path in files.shards]
    statistics = [Statistics.load(path) for path in files.statistics]
    key = {axis: node[axis] for axis in ("model", "task", "sampler", "method")} | {"budget": int(node.budget), "seed": int(node.seed)}
    ratio = config.card["dot"]["ratio"] if node.method == "morse" else None
    made = make_record(key, config.card["scale"], config.images, ratio, shards, statistics, Statistics.load(files.reference))
    write_json(made | {"policy": config.policy}, snakemake.output.record)
    write_npz(snakemake.output.images, compress=True, images=shards[0].images[: config.grid_images])
