"""Features of a run by one extractor -> its metrics."""

from adapter import job

with job(snakemake):
    from morse.files import write_json
    from morse.quality.features import read_features, read_with_reference
    from morse.quality.metrics import measure
    from morse.results.records import metrics_record

    files, config = snakemake.input, snakemake.params
    reference = read_features([files.reference_features])
    features, sums = read_with_reference(files.features, files.reference)
    metrics = measure(config.names, features, reference, sums, config.groups)
    write_json(
        metrics_record(snakemake.wildcards.extractor, config.caption, features, sums, metrics), snakemake.output.metrics
    )
