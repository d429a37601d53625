"""paper_speedups.csv: our average speedup in each cell of the paper's figures, beside the paper's.

config/paper_figures.yaml says which cells these are, at each scale. A cell that was not run has a
row that says so, and no number. The paper's numbers are those of config/claims.yaml. A row of a
mini twin has its panel's number too, which is of another model and other data.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from morse.experiments.axes import curve_of
from morse.methods import BASELINE
from morse.results.claims import PAPER, claimed_range
from morse.results.columns import TEXT
from morse.results.paper_layout import SCALES, in_budgets, in_cell, state_of
from morse.results.runs import CURVE
from morse.results.summary import speedup_summary

PAPER_SPEEDUP_COLUMNS = [
    "figure", "panel", "scale", "state", *CURVE, "method", "metric", "images_of_a_run", "ratio_measured",
    "band", "budgets_counted", "budgets_excluded", "geometric_mean", "geometric_mean_low", "geometric_mean_high",
    "arithmetic_mean", "bound", "paper_low", "paper_high", "paper_cells", "id", "marks", "note",
]  # fmt: skip


def paper_claim(claims: Sequence[Mapping[str, Any]], panel: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the paper says of the average speedup in a panel; None if it says nothing.

    If several claims are about the panel's cell, the one about the fewest cells.

    Args:
        claims: of :func:`morse.results.claims.read_claims`.

    Returns:
        ``low`` and ``high`` (equal for a number, NaN for an open end), ``cells`` (how many the
        claim is about), ``method``, ``id``, ``marks``, ``metric``, ``images``, ``leave_out``
        (budgets).
    """
    found = [
        (claim, cell)
        for claim in claims
        for cell in claim["cells"]
        if claim.get("check", {}).get("measure") == "mean_speedup" and curve_of(cell) == curve_of(panel[PAPER])
    ]
    if not found:
        return None
    claim, cell = min(found, key=lambda pair: len(pair[0]["cells"]))
    low, high = (limit if np.isfinite(limit) else np.nan for limit in claimed_range(claim))
    return {
        "low": low,
        "high": high,
        "cells": len(claim["cells"]),
        "method": claim["method"],
        "id": claim["id"],
        "marks": ", ".join(claim["marks"]),
        "metric": claim["check"]["metric"],
        "images": cell.get("images", claim["check"]["images"]),
        "leave_out": cell.get("leave_out", []),
    }


def paper_speedup_table(
    layout: Mapping[str, Any],
    claims: Sequence[Mapping[str, Any]],
    runs: pd.DataFrame,
    speedups: pd.DataFrame,
    draws: Mapping[str, np.ndarray] | None = None,
) -> pd.DataFrame:
    """Our average speedups, by LSD, in the cells of the paper's figures, beside the paper's.

    A cell that was run has a row for each method and each band of
    :func:`morse.results.summary.speedup_summary`. Another cell has one row, empty but for its names
    and what the paper says. ``budgets_counted`` is how many of the layout's budgets the means are
    of; ``budgets_excluded`` are those censored "below". ``bound`` is ">=" for a lower bound.
    ``paper_cells`` is how many cells the paper's number or range is about. The paper's means are
    arithmetic.

    Args:
        layout: of :func:`morse.results.paper_layout.read_layout`.
        claims: of :func:`morse.results.claims.read_claims`.
        runs, speedups: the tables of :mod:`morse.results.runs` and :mod:`morse.results.speedup`.
        draws: those of :func:`morse.results.speedup.speedup_draws`, for the intervals.

    Returns:
        Columns :data:`PAPER_SPEEDUP_COLUMNS`; numbers are NaN and texts empty where there are none.

    Raises:
        ValueError: one line, if the draws are not of these speedups.
    """
    chosen = in_budgets(speedups, layout).to_numpy(bool)
    if draws is not None:
        if any(values.shape[1] != len(speedups) for values in draws.values()):
            raise ValueError("the speedups are not those of the runs; make both tables again from the same records")
        draws = {clock: values[:, chosen] for clock, values in draws.items()}
    summary, runs = speedup_summary(speedups[chosen], draws=draws), runs[in_budgets(runs, layout)]
    rows = [
        {"figure": name, "panel": panel["title"], "scale": scale, "state": state_of(panel, scale, runs)} | row
        for name, figure in layout["figures"].items()
        for panel in figure["panels"]
        for scale in SCALES
        for row in _rows(panel, scale, paper_claim(claims, panel), runs, summary)
    ]
    table = pd.DataFrame(rows, columns=PAPER_SPEEDUP_COLUMNS)
    words = [name for name in PAPER_SPEEDUP_COLUMNS if name in TEXT]
    numbers = [name for name in PAPER_SPEEDUP_COLUMNS if name not in TEXT]
    return table.astype(dict.fromkeys(numbers, float)).assign(**table[words].astype(object).fillna(""))


def _rows(
    panel: Mapping[str, Any],
    scale: str,
    claim: Mapping[str, Any] | None,
    runs: pd.DataFrame,
    summary: pd.DataFrame,
) -> Iterator[dict[str, Any]]:
    """A panel's rows at one scale: of each method and band, or one without numbers of ours."""
    cell = curve_of(panel.get(scale, {}))
    found, means = in_cell(runs, panel, scale), in_cell(summary, panel, scale)
    if found.empty:
        yield cell | _stated(claim)
        return
    cell |= {"metric": found["metric"].iloc[0], "images_of_a_run": found["images"].iloc[0]}
    for method in sorted({*found["method"]} - {BASELINE}) or [""]:
        of_method = found[found["method"] == (method or BASELINE)]
        row = cell | {"method": method, "ratio_measured": of_method["ratio_measured"].median()}
        notes = [f"runs of {of_method['budget'].min()} to {of_method['budget'].max()} LSD"]
        bands = [_means(band) for _, band in means[means["method"] == method].iterrows()]
        if not bands:
            notes.append("no speedup: it needs runs by the baseline and by another method")
        if claim and method in ("", claim["method"]):
            row |= _stated(claim)
            if unlike := _unlike(claim, cell["metric"], cell["images_of_a_run"]):
                notes.append(f"the paper's: {unlike}")
        for band in bands or [{}]:
            yield row | band | {"note": "; ".join(notes)}


def _means(summary: pd.Series) -> dict[str, Any]:
    """The columns of one band's means, by LSD."""
    means = ["geometric_mean", "geometric_mean_low", "geometric_mean_high", "arithmetic_mean"]
    return {
        "band": summary["band"],
        "budgets_counted": summary["points"],
        "budgets_excluded": summary["excluded"],
        **{name: summary[name] for name in means},
        "bound": ">=" if summary["lower_bound"] else "",
    }


def _stated(claim: Mapping[str, Any] | None) -> dict[str, Any]:
    """The columns of what the paper says."""
    if claim is None:
        return {}
    return {
        "paper_low": claim["low"],
        "paper_high": claim["high"],
        "paper_cells": claim["cells"],
        "id": claim["id"],
        "marks": claim["marks"],
    }


def _unlike(claim: Mapping[str, Any], metric: str, images: int) -> str:
    """In what the paper's number differs from that of such runs, in words; empty if in nothing."""
    parts = (
        [] if (metric, images) == (claim["metric"], claim["images"]) else [claim["metric"], f"{claim['images']} images"]
    )
    if claim["leave_out"]:
        parts.append(f"without {' and '.join(map(str, claim['leave_out']))} LSD")
    return ", ".join(parts)
