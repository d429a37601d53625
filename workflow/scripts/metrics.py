"""Features of a node -> the metrics beside its distance."""

from adapter import job, write_json

with job(snakemake):
    from morse.quality.features import Features, joined
    from morse.quality.metrics import second_opinion, secondary_metrics
    from morse.quality.statistics import Statistics

    files = snakemake.input
    made = {}
    if files.features:
        features = joined([Features.load(path) for path in files.features])
        reference, sums = Features.load(files.reference_features), Statistics.load(files.reference)
        made |= secondary_metrics(snakemake.params.names, features, reference, sums)
    if files.second:
        second = joined([Features.load(path) for path in files.second])
        made |= second_opinion(second, Statistics.load(files.second_reference), snakemake.params.groups)
    write_json(made, snakemake.output.metrics)
