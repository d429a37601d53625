"""The map of the explained residual -> a figure."""

from adapter import job

with job(snakemake):
    from morse.report.explained import residual_heatmap
    from morse.report.style import formats, save
    from morse.results.records import read_explained

    record = read_explained(snakemake.input.record)
    title = f"What Dot explains, {record['model']}: {record['overall']:.2f} over all"
    figure = residual_heatmap(record["explained"], record["s_edges"], record["gap_edges"], title)
    save(figure, formats(snakemake.output.figure))
