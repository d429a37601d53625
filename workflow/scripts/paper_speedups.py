"""Tables, claims and the layout -> our average speedups beside the paper's."""

from pathlib import Path

from adapter import job

with job(snakemake):
    from morse.experiments.cards import schema
    from morse.results.claims import read_claims
    from morse.results.columns import read_table, write_table
    from morse.results.paper_speedups import paper_speedup_table
    from morse.results.speedup import speedup_draws

    files = snakemake.input
    claims = read_claims(Path(files.claims), schema("claims"))
    runs, speedups = read_table(files.runs), read_table(files.speedup)
    draws = speedup_draws(runs, read_table(files.jackknife))
    write_table(paper_speedup_table(snakemake.params.layout, claims, runs, speedups, draws), snakemake.output.csv)
