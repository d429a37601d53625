"""The numbers behind verdicts on claims: a function for each measure of config/claims.yaml."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd


@dataclass(frozen=True)
class Measured:
    """A number from the tables.

    Attributes:
        value: the number.
        bound: "" for the number itself, ">=" or "<=" if it bounds the true one, "?" if its points
            are bounds of both kinds.
        budgets: what was run, in words; empty if no budget matters.
        missing: the runs that the claim's number also needs, in words; empty if none is missing.
    """

    value: float
    bound: str = ""
    budgets: str = ""
    missing: str = ""


def _over_budgets(
    points: pd.DataFrame, cell: Mapping[str, Any], check: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, str]]:
    """One curve's points in the claim's range of budgets, without those that the cell leaves out.

    Returns:
        The points, and what was run and is missing (``budgets`` and ``missing`` of
        :class:`Measured`).
    """
    first, last, count = (check["budgets"][key] for key in ("first", "last", "count"))
    run = points[points["budget"].between(first, last)]
    counted = run[~run["budget"].isin(cell.get("leave_out", []))]
    has = f"{len(counted)} budgets of {counted['budget'].min()} to {counted['budget'].max()} LSD"
    whole = {first, last} - set(cell.get("leave_out", [])) <= set(counted["budget"]) and len(counted) >= count
    needs = f"only {has}; the claim needs {count} or more from {first} to {last} LSD, both ends included"
    return counted, {"budgets": has, "missing": "" if whole else needs}


def _bound(points: pd.DataFrame) -> str:
    """How a number from these points, of which some may be censored, bounds the true one."""
    above, below = ((points["censored"] == side).any() for side in ("above", "below"))
    return "?" if above and below else ">=" if above else "<=" if below else ""


def _mean_speedup(
    runs: pd.DataFrame, points: pd.DataFrame, cell: Mapping[str, Any], check: Mapping[str, Any]
) -> Measured | None:
    """The arithmetic mean over the budgets, as in the paper. A censored point counts with its
    bound."""
    counted, run = _over_budgets(points, cell, check)
    return None if counted.empty else Measured(float(counted["speedup"].mean()), _bound(counted), **run)


def _best_speedup(
    runs: pd.DataFrame, points: pd.DataFrame, cell: Mapping[str, Any], check: Mapping[str, Any]
) -> Measured | None:
    """The largest speedup over the budgets. An upper bound below it cannot hide a larger one."""
    counted, run = _over_budgets(points, cell, check)
    best = counted["speedup"].max()
    telling = counted[(counted["censored"] != "below") | (counted["speedup"] == best)]
    return None if counted.empty else Measured(float(best), _bound(telling), **run)


def _speedup(
    runs: pd.DataFrame, points: pd.DataFrame, cell: Mapping[str, Any], check: Mapping[str, Any]
) -> Measured | None:
    at = points[points["budget"] == check["budget"]]
    return None if at.empty else Measured(float(at["speedup"].iloc[0]), _bound(at), f"{check['budget']} LSD")


def _quality(
    runs: pd.DataFrame, points: pd.DataFrame, cell: Mapping[str, Any], check: Mapping[str, Any]
) -> Measured | None:
    """The mean quality over the seeds."""
    at = runs[(runs["method"] == check["method"]) & (runs["budget"] == check["budget"])]
    return (
        None
        if at.empty
        else Measured(float(at["quality"].mean()), budgets=f"{check['method']} at {check['budget']} LSD")
    )


def _ratio(
    runs: pd.DataFrame, points: pd.DataFrame, cell: Mapping[str, Any], check: Mapping[str, Any]
) -> Measured | None:
    ratios = runs["ratio_measured"].dropna()
    return None if ratios.empty else Measured(float(ratios.median()))


def _dot_size(
    runs: pd.DataFrame, points: pd.DataFrame, cell: Mapping[str, Any], check: Mapping[str, Any]
) -> Measured | None:
    """Dot's own parameters, in millions."""
    sizes = runs["dot_own_parameters"].dropna()
    return None if sizes.empty else Measured(float(sizes.iloc[0]) / 1e6)


def _training_hours(
    runs: pd.DataFrame, points: pd.DataFrame, cell: Mapping[str, Any], check: Mapping[str, Any]
) -> Measured | None:
    """Hours of Dot's training on the claim's hardware; other hardware gives another number."""
    trained = runs[runs["trained_on"].astype(str).str.contains(check["hardware"], regex=False)]
    return None if trained.empty else Measured(float(trained["training_seconds"].iloc[0]) / 3600.0)


MEASURES: dict[str, Callable[..., Measured | None]] = {
    "mean_speedup": _mean_speedup,
    "best_speedup": _best_speedup,
    "speedup": _speedup,
    "quality": _quality,
    "ratio": _ratio,
    "dot_size": _dot_size,
    "training_hours": _training_hours,
}
"""A check's ``measure`` -> function of (runs, speedups, cell, check), for tables with the cell's
rows only. It returns the number, or None if no run gives it."""
