"""Shards and statistics of a node -> its record, and the images of its grid row."""

from adapter import job, write_arrays, write_json

with job(snakemake):
    from morse.feature_files import Features, joined
    from morse.provenance import provenance
    from morse.records import make_record
    from morse.secondary_metrics import secondary_metrics
    from morse.shards import load_shard
    from morse.statistics import Statistics

    node, config, files = snakemake.wildcards, snakemake.params, snakemake.input
    shards = [load_shard(path) for path in files.shards]
    statistics = [Statistics.load(path) for path in files.statistics]
    key = {axis: node[axis] for axis in ("model", "task", "sampler", "method")} | {"budget": int(node.budget), "seed": int(node.seed)}
    ratio = config.card["dot"]["ratio"] if node.method == "morse" else None
    sums = Statistics.load(files.reference)
    made = make_record(key, config.card["scale"], config.images, ratio, shards, statistics, sums)
    if config.metrics:
        features = joined([Features.load(path) for path in files.features])
        made["metrics"] = secondary_metrics(config.metrics, features, Features.load(files.reference_features), sums)
    write_json(made | {"policy": config.policy, "provenance": provenance(shards[0].device)}, snakemake.output.record)
    write_arrays(snakemake.output.images, images=shards[0].images[: config.grid_images])
