"""Tables -> the main figures."""

from adapter import job

with job(snakemake):
    import pandas as pd

    from morse.report import curves as plots

    files, outputs = snakemake.input, snakemake.output
    runs, speedups = pd.read_csv(files.runs), pd.read_csv(files.speedup)
    plots.save(plots.quality_curves(runs, speedups, "lsd", "Quality against time budget"), plots.formats(outputs.lsd))
    plots.save(plots.quality_curves(runs, speedups, "seconds_per_image", "Quality against wall-clock"), plots.formats(outputs.wall))
    plots.save(plots.speedup_against_budget(speedups, "Speedup at equal quality"), plots.formats(outputs.speedup))
