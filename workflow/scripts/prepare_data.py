"""Published files of a data set -> the data of a task, prepared."""

from adapter import job

with job(snakemake):
    from morse.data.preparing import prepare_data

    prepare_data(snakemake.wildcards.task, snakemake.params.data)
