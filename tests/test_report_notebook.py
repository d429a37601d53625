"""A notebook is run by the own interpreter, in whatever surroundings."""

import json
import os
import sys

import nbformat
import pytest

from morse.report.notebook import KERNEL, execute

CELL = """import os, sys
import matplotlib
print(sys.executable, matplotlib.get_backend().lower(), os.environ["IPYTHONDIR"], ascii(parameter))"""


@pytest.fixture
def notebook(tmp_path):
    path = tmp_path / "in.ipynb"
    cell = nbformat.v4.new_code_cell(CELL)
    python = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata={"kernelspec": python}), path)
    return path


def test_foreign_kernels_settings_and_homes_do_not_count(notebook, tmp_path, monkeypatch):
    """A kernel of another environment, a GUI's backend, a start-up file that fails, a home that is
    a file."""
    for name in ("python3", KERNEL):
        (folder := tmp_path / "foreign" / "kernels" / name).mkdir(parents=True)
        spec = {"argv": ["/bin/false", "{connection_file}"], "display_name": "Foreign", "language": "python"}
        (folder / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")
    (startup := tmp_path / "ipython" / "profile_default" / "startup").mkdir(parents=True)
    (startup / "fails.py").write_text("import os; os._exit(3)", encoding="utf-8")
    (tmp_path / "home").write_text("a file", encoding="utf-8")
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "foreign"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MPLBACKEND", "tkagg")
    before = dict(os.environ)
    execute(notebook, tmp_path / "out.ipynb", {"parameter": "given"})
    assert dict(os.environ) == before
    outputs = nbformat.read(tmp_path / "out.ipynb", 4).cells[-1].outputs
    (text,) = [output.text for output in outputs if output.get("name") == "stdout"]
    interpreter, backend, ipython, parameter = text.split()
    assert (interpreter, parameter) == (sys.executable, "'given'")
    assert "inline" in backend and not ipython.startswith(str(tmp_path))


def test_letters_that_the_locale_lacks_are_kept(notebook, tmp_path):
    """As Python reads them from a path under LC_ALL=C."""
    path = "réf.csv".encode().decode("ascii", "surrogateescape")
    execute(notebook, tmp_path / "out.ipynb", {"parameter": path})
    assert nbformat.read(tmp_path / "out.ipynb", 4).metadata.papermill.parameters == {"parameter": "réf.csv"}


def test_an_error_of_a_cell_is_one_line_and_leaves_no_file(notebook, tmp_path):
    with pytest.raises(ValueError, match=r"in\.ipynb: cell 1 ended with NameError: name 'parameter'") as error:
        execute(notebook, tmp_path / "out.ipynb", {})
    assert "\n" not in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == ["in.ipynb"]
