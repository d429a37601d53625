"""The notebook runs from a fresh clone, on the tables that ship."""

from pathlib import Path

import papermill

ROOT = Path(__file__).parents[1]


def test_the_notebook_runs_by_hand(tmp_path):
    made = papermill.execute_notebook(
        ROOT / "notebooks" / "curves.ipynb", tmp_path / "out.ipynb", kernel_name="python3", progress_bar=False, cwd=ROOT / "notebooks"
    )
    shown = [output.output_type for cell in made.cells if cell.cell_type == "code" for output in cell.outputs]
    assert shown.count("display_data") + shown.count("execute_result") >= 4
