"""JSON records of Dot's error.

How much of Dash's change Dot explains is in explained/MODEL.json. What its error does to the image
is in sensitivity/POINT.json.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from morse.experiments.axes import AXES
from morse.files import NUMBER, read_json, require_keys
from morse.results.record_keys import OF_EXPLAINED, OF_SENSITIVITY


def explained_record(
    model: str,
    cells: np.ndarray,
    overall: float,
    s_edges: Sequence[float],
    gap_edges: Sequence[float],
    line: np.ndarray | None = None,
    line_overall: float | None = None,
) -> dict[str, Any]:
    """The record of the map of what Dot explains; cells without a pair are None.

    Args:
        line, line_overall: the same of the line alone, of a Dot with memory.
    """
    maps = {"explained": cells} if line is None else {"explained": cells, "line": line}
    rows = {
        name: [[None if np.isnan(cell) else float(cell) for cell in row] for row in one] for name, one in maps.items()
    }
    edges = {"s_edges": list(s_edges), "gap_edges": list(gap_edges)}
    return {"model": model, "overall": overall, "line_overall": line_overall} | edges | rows


def read_explained(path: Path | str) -> dict[str, Any]:
    """Reads what :func:`explained_record` made; ``explained`` and ``line`` become arrays with NaN.

    Raises DamagedFile, one line, for any other file.
    """
    record = read_json(path, OF_EXPLAINED)
    return record | {name: np.array(record[name], dtype=float) for name in ("explained", "line") if name in record}


def sensitivity_record(
    run: Mapping[str, Any], plan: str, calls: Sequence[Mapping[str, float]], images: int, provenance: Mapping[str, Any]
) -> dict[str, Any]:
    """The record of a run's sensitivity to errors of its calls.

    Args:
        run: axis -> value; it is that of all seeds.
        plan: its letters.
        calls: of :func:`morse.sampling.sensitivity.sensitivity`.
    """
    point = {axis: int(run[axis]) if axis == "budget" else run[axis] for axis in AXES[:-1]}
    return point | {"plan": plan, "images": images, "calls": [*calls], "provenance": dict(provenance)}


def read_sensitivity(path: Path | str) -> dict[str, Any]:
    """Reads what :func:`sensitivity_record` made.

    Raises DamagedFile, one line, for any other file.
    """
    record = read_json(path, OF_SENSITIVITY)
    for call in record["calls"]:
        require_keys(call, dict.fromkeys(("index", "t", "error", "change"), NUMBER), path)
    return record
