"""The types of the tables' columns, and the one way in which tables become CSV files and back.

pandas guesses types from the cells. It takes a model named "null" for a missing one, and a commit
1234567 or 12e4567 for a number. So the type of each column is stated here.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from morse.files import DamagedFile, require, write_text

TEXT = frozenset((
    "model", "task", "sampler", "guidance", "method", "scale", "metric", "extractor", "dash_execution", "dot_execution",
    "device", "commit", "code", "censored", "censored_wall", "band", "call", "caption", "dtype", "memory_format",
    "trained_on", "sampled_on", "id", "claim", "marks", "source", "reading", "unit", "verdict", "bound",
    "twin_bound", "twin_model", "twin_task", "note", "figure", "panel", "state", "against",
    "budgets",
))  # fmt: skip
"""Columns of text. None is missing: where there is nothing to say, the text is empty."""
FLAGS = frozenset(("saturated", "counts", "tf32", "lower_bound", "lower_bound_wall"))
"""Columns of True and False."""
WHOLE = frozenset((
    "budget", "seed", "images", "rounds", "group", "batch_size", "threads", "nfe", "dash_calls", "dot_calls",
    "points", "excluded", "points_wall", "excluded_wall", "dash_parameters", "dot_parameters", "dot_own_parameters",
))  # fmt: skip
"""Columns of whole numbers. All other columns are of floats, and only these may be missing."""

NAMES = {
    str: "text without zero bytes and carriage returns",
    bool: "True or False",
    int: "whole numbers",
    float: "numbers",
}
"""Type of a column -> its name in error messages."""


def kind_of(column: str) -> type:
    """The type of a column's values: str, bool, int or float."""
    return str if column in TEXT else bool if column in FLAGS else int if column in WHOLE else float


def write_table(table: pd.DataFrame, path: Path | str) -> None:
    """Writes a table as CSV, whole or not at all. :func:`read_table` gives it back equal.

    Missing text is written as the empty text.

    Raises:
        ValueError: one line that names the file and the column, for values of another type.
        UnwritableFile: as :func:`morse.files.write_atomically`.
    """
    if not table.columns.is_unique or not all(isinstance(name, str) and name for name in table.columns):
        raise ValueError(f"{path}: the table's columns must have names of their own, not {list(table.columns)}")
    columns = {name: _column(table[name], f"{path}: column {name}") for name in table.columns}
    content = pd.DataFrame(columns, columns=table.columns).to_csv(index=False, lineterminator="\n")
    write_text(content, path)


def _column(values: pd.Series, name: str) -> pd.Series:
    """A column as it is written, once all values are checked."""
    kind = kind_of(str(values.name))
    missing = values.isna()
    if kind is str:
        values = values.astype(object).where(~missing, "")
        wrong = [value for value in values if not isinstance(value, str) or {"\0", "\r"} & {*value}]
    else:
        allowed = {bool: (bool, np.bool_), int: (int, np.integer), float: (int, float, np.integer, np.floating)}[kind]
        present = values[~missing] if kind is float else values
        wrong = [
            value
            for value in present.astype(object)
            if not isinstance(value, allowed) or (kind is not bool and isinstance(value, bool | np.bool_))
        ]
    if wrong:
        raise ValueError(f"{name} holds {wrong[0]!r}, and needs {NAMES[kind]}; correct the record or card")
    return values.astype(float) if kind is float else values


def read_table(path: Path | str) -> pd.DataFrame:
    """Reads a table of :func:`write_table`. Text stays as it is, whatever it looks like.

    Raises:
        DamagedFile: one line, for a file that is missing, or no such table.
    """
    path = require(path, what="table")
    try:
        cells = pd.read_csv(path, encoding="utf-8", dtype=str, keep_default_na=False)
    except (ValueError, OSError) as error:  # errors of pandas and of UTF-8 are ValueErrors
        reason = " ".join(str(error).split())
        raise DamagedFile(f"table {path} is damaged ({reason}); delete it and run again") from error
    return pd.DataFrame({name: _parsed(cells[name], path) for name in cells}, columns=cells.columns)


def _parsed(cells: pd.Series, path: Path) -> pd.Series:
    """A column of text as values of its type."""
    kind = kind_of(str(cells.name))
    if kind is str:
        return cells
    read = {bool: {"True": True, "False": False}.__getitem__, int: int, float: lambda cell: float(cell or "nan")}[kind]
    values = []
    for cell in cells:
        try:
            values.append(read(cell))
        except (KeyError, ValueError) as error:
            fault = f"column {cells.name} has {cell!r}, and needs {NAMES[kind]}"
            raise DamagedFile(f"table {path} is damaged ({fault}); delete it and run again") from error
    return pd.Series(values, dtype=kind)
