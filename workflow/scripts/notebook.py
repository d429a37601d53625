"""A notebook -> its executed copy."""

from pathlib import Path

from adapter import job

with job(snakemake):
    import papermill

    from morse.files import write_atomically

    parameters = {name: str(Path(snakemake.input[name]).resolve()) for name in ("runs", "speedup", "jackknife")}

    def execute(temporary: Path) -> None:
        papermill.execute_notebook(snakemake.input.notebook, temporary, parameters, kernel_name="python3", progress_bar=False)

    write_atomically(execute, Path(snakemake.output.notebook))
