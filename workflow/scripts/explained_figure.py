"""The map of the explained residual -> a figure."""

from adapter import job

with job(snakemake):
    from morse.report.explained import residual_heatmap
    from morse.report.style import formats, save
    from morse.results.dot_records import read_explained

    record = read_explained(snakemake.input.record)
    maps = {f"Dot: {record['overall']:.2f} over all": record["explained"]}
    if "line" in record:
        maps = {f"the line alone: {record['line_overall']:.2f} over all": record["line"]} | maps
    figure = residual_heatmap(maps, record["s_edges"], record["gap_edges"], f"What is explained, {record['model']}")
    save(figure, formats(snakemake.output.figure))
