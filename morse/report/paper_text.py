"""The paper's average speedups as text, beside ours."""

from __future__ import annotations

import math

import pandas as pd

from morse.report.cells import claimed, number, renamed, rows, with_interval
from morse.results.runs import CURVE


def paper_speedups_text(table: pd.DataFrame) -> pd.DataFrame:
    """The average speedups of :func:`morse.results.paper_speedups.paper_speedup_table` as text.

    What the paper says of a panel is in the first row of each scale only.
    """
    text = renamed(table, ["figure", "panel", "scale", "state", *CURVE, "method", "metric"])
    text["images"] = table["images_of_a_run"].map(number)
    text["N"] = table["ratio_measured"].map(number)
    text = text.join(renamed(table, ["band"]))
    text["budgets"] = table["budgets_counted"].map(number)
    text["excluded"] = table["budgets_excluded"].map(number)
    known = table.assign(censored=table["bound"].map({">=": "above"}).fillna(""), unknown=math.nan)
    interval = ("geometric_mean_low", "geometric_mean_high", "censored")
    text["geometric mean"] = rows(known, with_interval, "geometric_mean", *interval)
    text["arithmetic mean"] = rows(known, with_interval, "arithmetic_mean", "unknown", "unknown", "censored")
    first = ~table.duplicated(["figure", "panel", "scale", "id"])
    stated = pd.Series(rows(table, paper_text, "paper_low", "paper_high", "paper_cells"), index=table.index, dtype=str)
    text["the paper's"] = stated.where(first, "")
    text["marks"] = table["marks"].fillna("").astype(str).where(first, "")
    return text.join(renamed(table, ["note"]))


def paper_text(low: float, high: float, cells: float, unit: str = " x") -> str:
    """A number or range that the paper states: 2.94 x, or 2.01 to 2.94 x (5 cells).

    A number of several cells cannot be that of each: about 2 x (6 cells). Empty if it states
    nothing.
    """
    if pd.isna(low) and pd.isna(high):
        return ""
    text = claimed(low, high, "").strip() + unit
    return text if cells == 1 else f"{'about ' if low == high else ''}{text} ({cells:.0f} cells)"
