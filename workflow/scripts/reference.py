"""A data set's split -> its statistics and features by one extractor."""

from adapter import device_of, job

with job(snakemake):
    from morse.quality.reference import save_reference

    config, outputs = snakemake.params, snakemake.output
    save_reference(
        config.data,
        config.split,
        config.extractor,
        config.shipped,
        outputs.statistics,
        outputs.features,
        device_of(snakemake),
        config.published,
    )
