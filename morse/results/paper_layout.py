"""The layout of the paper's figures, config/paper_figures.yaml: which cell of the matrix each panel
has at each scale, and the rows of tables that belong to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from morse.experiments.axes import curve_of, named
from morse.experiments.schema import validate
from morse.experiments.yaml import read_yaml
from morse.results.claims import MINI, NOT_RUN, PAPER

SCALES = (PAPER, MINI)
RUN, NO_TWIN = "run", "no twin"
"""States of a panel, beside :data:`morse.results.claims.NOT_RUN`."""


def read_layout(path: Path, schema: Mapping[str, Any]) -> dict[str, Any]:
    """The layout of the paper's figures. Names of cells are checked for their form only.

    Args:
        path: a file such as config/paper_figures.yaml.
        schema: the content of workflow/schemas/paper_figures.schema.yaml.

    Raises:
        ValueError: one line that names the file and the key.
    """
    layout = read_yaml(path)
    validate(layout, schema, str(path))
    first, last = layout["budgets"]["first"], layout["budgets"]["last"]
    if first >= last:
        raise ValueError(f"{path}: budgets.first: {first} is not below last {last}")
    seen: dict[tuple[str, ...], str] = {}
    for name, figure in layout["figures"].items():
        for place, panel in enumerate(figure["panels"]):
            for scale in [scale for scale in SCALES if scale in panel]:
                key, cell = f"figures.{name}.panels[{place}].{scale}", tuple(curve_of(panel[scale]).values())
                if (scale, *cell) in seen:
                    raise ValueError(f"{path}: {key}: {named(cell)} is also {seen[scale, *cell]}; keep one of them")
                seen[scale, *cell] = key
    return layout


def scales_of(runs: pd.DataFrame) -> list[str]:
    """The scales of these runs, of those that the layout has cells at."""
    return [scale for scale in SCALES if scale in {*runs["scale"]}]


def state_of(panel: Mapping[str, Any], scale: str, runs: pd.DataFrame) -> str:
    """Whether a panel has runs at a scale: "run", "not run", or "no twin" if it has no cell."""
    if scale not in panel:
        return NO_TWIN
    return NOT_RUN if in_cell(runs, panel, scale).empty else RUN


def in_cell(table: pd.DataFrame, panel: Mapping[str, Any], scale: str) -> pd.DataFrame:
    """The rows of a panel's cell at a scale; none if it has no cell."""
    if scale not in panel:
        return table.iloc[:0]
    where = curve_of(panel[scale]) | {"scale": scale}
    return table[np.logical_and.reduce([table[column] == value for column, value in where.items()])]


def in_budgets(table: pd.DataFrame, layout: Mapping[str, Any]) -> pd.Series:
    """Whether each row's budget is one of the layout's, both ends included."""
    return table["budget"].between(layout["budgets"]["first"], layout["budgets"]["last"])
