"""The notebooks run from a fresh clone on the tables that ship, and on those of a new run."""

from pathlib import Path

import nbformat
import pytest
from curves import curves, latency, measured

from morse.report.notebook import execute
from morse.results.tables import TABLES, make_tables, write_tables

ROOT = Path(__file__).parents[1]
READ = ("runs", "speedup", "jackknife")


def shipped(folder):
    """No parameters: the notebook's own are the tables that ship."""
    return {}


def of_a_new_run(folder):
    """The tables that the library makes of records now, as rule notebook hands them over.

    Their names look like a missing one and like numbers.
    """
    records = curves(1.5, se=0.02)
    for item in records:
        value = item["quality"]["value"]
        item["run"] |= {"model": "null", "task": "010"}
        item["provenance"] |= {"code": "12e4567"}
        item["quality"]["without_groups"] = [0.97 * value, value, 1.03 * value]
        kid = {"value": 0.1 * value, "standard_error": 0.01, "without_groups": [0.1 * value] * 3}
        item["metrics"] = measured({"kid": kid}) | measured({"kid": kid}, "wide", "FID", "wide/1")
    quality = {"margin": 0.02, "saturation": 0.05, "max_quality": None}
    paths = {name: folder / f"{name}.csv" for name in TABLES}
    write_tables(make_tables(records, [latency(model="null")], {}, quality), paths)
    return {name: str(paths[name]) for name in READ}


def executed(notebook, parameters, folder, monkeypatch):
    """The outputs of a notebook's cells, and those of them that are figures and tables."""
    # As Jupyter does, the notebook runs in its own folder.
    monkeypatch.chdir(ROOT / "notebooks")
    execute(notebook, folder / "out.ipynb", parameters)
    cells = nbformat.read(folder / "out.ipynb", 4).cells
    outputs = [output for cell in cells if cell.cell_type == "code" for output in cell.outputs]
    return outputs, [output for output in outputs if output.output_type in ("display_data", "execute_result")]


@pytest.mark.parametrize("tables", [shipped, of_a_new_run])
def test_the_notebook_runs_by_hand(tables, tmp_path, monkeypatch):
    outputs, shown = executed("curves.ipynb", tables(tmp_path), tmp_path, monkeypatch)
    assert sum("image/png" in output.data for output in shown) == 3
    summary = shown[-1].data["text/html"]
    assert len(shown) >= 4 and "geometric_mean_low" in summary and "<td>morse</td>" in summary
    if tables is of_a_new_run:
        assert "<td>null</td>" in summary and "<td>010</td>" in summary
        assert any("runs of one version" in output.get("text", "") for output in outputs)


@pytest.mark.parametrize(
    ("tables", "more", "figures", "run"),
    [(shipped, {}, 2, 10), (shipped, {"scales": ["paper", "mini"]}, 4, 10), (of_a_new_run, {}, 2, 0)],
)
def test_the_paper_s_figures_are_drawn_of_whatever_was_run(tables, more, figures, run, tmp_path, monkeypatch):
    """At either scale. A new run of other models fills no cell."""
    outputs, shown = executed("paper_figures.ipynb", tables(tmp_path) | more, tmp_path, monkeypatch)
    assert sum("image/png" in output.data for output in shown) == figures
    averages = shown[-1].data["text/html"]
    assert averages.count("<td>run</td>") == run and averages.count("<td>not run</td>") == 17 - run // 2
    assert averages.count("<td>no twin</td>") == 7 and "2.94 x" in averages
    assert any("scales: " in output.get("text", "") for output in outputs)


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_notebook_ships_without_outputs(path):
    cells = [cell for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]
    assert cells and all(not cell.outputs and cell.execution_count is None for cell in cells)
