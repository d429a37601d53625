"""A notebook -> its executed copy, run by the interpreter of the calling process."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import nbformat
from ipykernel.kernelspec import write_kernel_spec

from morse.files import write_text

KERNEL = "of-this-job"
INLINE = "module://matplotlib_inline.backend_inline"
"""The backend of matplotlib that puts figures into a notebook."""


def execute(notebook: Path | str, output: Path | str, parameters: Mapping[str, Any]) -> None:
    """Runs a notebook and writes the executed copy, whole or not at all.

    Its kernel is this interpreter, whatever kernels are installed. Settings of the user for IPython
    do not count, and the home folder is neither read nor written.

    Args:
        parameters: name -> value, put in the place of the notebook's own.

    Raises:
        ValueError: one line that names the notebook and the error of a cell.
    """
    import papermill  # here, as it takes a second to load

    run = {"kernel_name": KERNEL, "progress_bar": False}
    with own_kernel():
        try:
            executed = papermill.execute_notebook(notebook, None, dict(parameters), **run)
        except papermill.PapermillExecutionError as error:
            raise ValueError(
                f"notebook {notebook}: cell {error.exec_count} ended with {error.ename}: {error.evalue}"
            ) from error
    # Under a locale of ASCII other letters of a path are surrogates, which no file can hold.
    write_text(nbformat.writes(executed).encode("utf-8", "surrogateescape").decode("utf-8", "replace"), output)


@contextmanager
def own_kernel() -> Iterator[None]:
    """Within the block, the kernel :data:`KERNEL` is this interpreter.

    A kernel called python3 would not do: one of another environment may have the same name.
    """
    with tempfile.TemporaryDirectory(prefix="morse-") as folder:
        environment = {"IPYTHONDIR": f"{folder}/ipython", "MPLBACKEND": INLINE}
        write_kernel_spec(Path(folder) / "kernels" / KERNEL, overrides={"env": environment})
        # The first of all places where Jupyter looks for kernels.
        with patch.dict(os.environ, {"JUPYTER_PATH": folder}):
            yield
