"""Tables -> the main figures."""

from adapter import job

with job(snakemake):
    from morse.report.best import best_curves
    from morse.report.curves import quality_curves, speedup_against_budget
    from morse.report.style import formats, save
    from morse.results.columns import read_table

    files, outputs = snakemake.input, snakemake.output
    runs, speedups = read_table(files.runs), read_table(files.speedup)
    save(quality_curves(runs, speedups, "lsd", "Quality against time budget"), formats(outputs.lsd))
    save(quality_curves(runs, speedups, "seconds_per_image", "Quality against wall-clock"), formats(outputs.wall))
    save(speedup_against_budget(speedups, "Speedup at equal quality"), formats(outputs.speedup))
    save(best_curves(runs, "Best of any sampler against best of any sampler"), formats(outputs.best))
