"""Tables -> the main figures."""

from adapter import job

with job(snakemake):
    import pandas as pd

    from morse.report.curves import quality_curves, speedup_against_budget
    from morse.report.style import formats, save

    files, outputs = snakemake.input, snakemake.output
    runs, speedups = pd.read_csv(files.runs), pd.read_csv(files.speedup)
    save(quality_curves(runs, speedups, "lsd", "Quality against time budget"), formats(outputs.lsd))
    save(quality_curves(runs, speedups, "seconds_per_image", "Quality against wall-clock"), formats(outputs.wall))
    save(speedup_against_budget(speedups, "Speedup at equal quality"), formats(outputs.speedup))
