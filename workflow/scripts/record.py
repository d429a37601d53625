"""Shards and features of a run -> its record, and the images of its grid row."""

from adapter import job

with job(snakemake):
    from morse.experiments.axes import run_of
    from morse.files import write_json, write_npz
    from morse.quality.features import read_with_reference
    from morse.results.records import run_record
    from morse.sampling.shards import read_shards

    config, files, outputs = snakemake.params, snakemake.input, snakemake.output
    shards = read_shards(files.shards)
    features, reference = read_with_reference(files.features, files.reference)
    made_by = config.scale, config.images, config.groups
    record = run_record(run_of(snakemake.wildcards), *made_by, shards, features, reference, config.extractor)
    write_json(record | {"settings": config.settings}, outputs.record)
    write_npz(outputs.images, compress=True, images=shards[0].images[: config.grid_images])
