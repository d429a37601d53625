"""A notebook -> its executed copy."""

from pathlib import Path

from adapter import job

with job(snakemake):
    import papermill

    from morse.files import write_atomically

    paths = {name: str(Path(snakemake.input[name]).resolve()) for name in ("runs", "speedup", "jackknife")}
    run = {"kernel_name": "python3", "progress_bar": False}
    write_atomically(
        lambda temporary: papermill.execute_notebook(snakemake.input.notebook, temporary, paths, **run),
        Path(snakemake.output.notebook),
    )
