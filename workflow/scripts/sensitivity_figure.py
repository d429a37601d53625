"""The sensitivity of runs to errors of their calls -> a figure."""

from adapter import job

with job(snakemake):
    from morse.report.sensitivity import sensitivity_figure
    from morse.report.style import formats, save
    from morse.results.dot_records import read_sensitivity

    save(
        sensitivity_figure([read_sensitivity(path) for path in snakemake.input.records]),
        formats(snakemake.output.figure),
    )
