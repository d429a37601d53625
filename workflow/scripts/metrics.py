"""Features of a node -> the metrics beside its distance."""

from adapter import job, write_json

with job(snakemake):
    from morse.feature_files import Features, joined
    from morse.secondary_metrics import secondary_metrics
    from morse.statistics import Statistics

    files = snakemake.input
    features = joined([Features.load(path) for path in files.features])
    reference, sums = Features.load(files.reference_features), Statistics.load(files.reference)
    write_json(secondary_metrics(snakemake.params.names, features, reference, sums), snakemake.output.metrics)
