"""What is claimed of Morse (config/claims.yaml) against the tables of runs and of speedups: a verdict for each claim and cell.

A number is compared with a claim's only if its runs are of the paper's scale, with the claim's metric and number of images, at the
budgets that it speaks of. All else is said in words: a mini twin's number stands in columns of its own, and nothing stands for a run
that was not made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from morse.experiments.schema import read_yaml, validate

REPRODUCED, DEVIATING, MINIATURE, NOT_RUN = "reproduced", "deviating", "only in miniature", "not run"
TWIN_SUFFIX = "-mini"
PAPER, MINI = "paper", "mini"
"""The scales of runs."""

CLAIM_COLUMNS = [
    "id", "claim", "marks", "source", "reading", "model", "task", "sampler",
    "expected_low", "expected_high", "unit", "tolerance", "verdict", "ours", "bound", "deviation",
    "twin", "twin_bound", "twin_model", "twin_task", "note",
]  # fmt: skip


def read_claims(path: Path, schema: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The claims of a file, each with its ``source`` in words.

    Args:
        path: a file such as config/claims.yaml.
        schema: the content of workflow/schemas/claims.schema.yaml.

    Raises:
        ValueError: one line that names the file and the key.
    """
    try:
        content = read_yaml(path)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not text in UTF-8: {error}") from error
    validate(content, schema, str(path))
    seen = set()
    for place, claim in enumerate(content["claims"]):
        key = f"{path}: claims[{place}]"
        if claim["id"] in seen:
            raise ValueError(f"{key}.id: {claim['id']!r} stands twice")
        seen.add(claim["id"])
        if {"check", "unmeasured"} <= claim.keys():
            raise ValueError(f"{key}.unmeasured: stands beside check; keep one of the two")
        low, high = _range(claim)
        if low > high:
            raise ValueError(f"{key}.expected: low {low:g} is above high {high:g}")
        budgets = claim.get("check", {}).get("budgets")
        if budgets and budgets["first"] > budgets["last"]:
            raise ValueError(f"{key}.check.budgets: first {budgets['first']} is above last {budgets['last']}")
    return [claim | {"source": "; ".join(content["sources"][mark] for mark in claim["marks"])} for claim in content["claims"]]


def _range(claim: Mapping[str, Any]) -> tuple[float, float]:
    """Lowest and highest number that the claim states, infinite where it states none."""
    expected = claim.get("expected", {})
    return expected.get("low", expected.get("value", -np.inf)), expected.get("high", expected.get("value", np.inf))


@dataclass(frozen=True)
class Measured:
    """A number from the tables.

    Attributes:
        value: the number.
        bound: "" for the number itself, ">=" or "<=" where it bounds the true one, "?" where points are bounds of both kinds.
        budgets: what was run, in words; empty where no budget matters.
        missing: the runs that the claim's number needs besides, in words; empty where it has all.
    """

    value: float
    bound: str = ""
    budgets: str = ""
    missing: str = ""


def _over_budgets(points: pd.DataFrame, cell: Mapping[str, Any], check: Mapping[str, Any]) -> tuple[pd.DataFrame, dict[str, str]]:
    """One curve's points in the claim's range of budgets, but those that the cell leaves out; and what was run and is missing."""
    first, last, count = (check["budgets"][key] for key in ("first", "last", "count"))
    run = points[points["budget"].between(first, last)]
    counted = run[~run["budget"].isin(cell.get("leave_out", []))]
    has = f"{len(counted)} budgets of {counted['budget'].min()} to {counted['budget'].max()} LSD"
    whole = {first, last} - set(cell.get("leave_out", [])) <= set(counted["budget"]) and len(counted) >= count
    needs = f"only {has}; the claim needs {count} or more from {first} to {last} LSD, both ends included"
    return counted, {"budgets": has, "missing": "" if whole else needs}


def _bound(points: pd.DataFrame) -> str:
    """What a number made of these points, of which some are censored, is to the true one."""
    above, below = ((points["censored"] == side).any() for side in ("above", "below"))
    return "?" if above and below else ">=" if above else "<=" if below else ""


def _mean_speedup(runs: pd.DataFrame, points: pd.DataFrame, cell: Mapping[str, Any], check: Mapping[str, Any]) -> Measured | None:
    """The arithmetic mean over the budgets, as the paper's; a censored point counts with its bound."""
    counted, run = _over_budgets(points, cell, check)
    return None if counted.empty else Measured(float(counted["speedup"].mean()), _bound(counted), **run)


def _best_speedup(runs: pd.DataFrame, points: pd.DataFrame, cell: Mapping[str, Any], check: Mapping[str, Any]) -> Measured | None:
    """The largest over the budgets. Upper bounds under it hide nothing larger."""
    counted, run = _over_budgets(points, cell, check)
    best = counted["speedup"].max()
    telling = counted[(counted["censored"] != "below") | (counted["speedup"] == best)]
    return None if counted.empty else Measured(float(best), _bound(telling), **run)


def _speedup(runs: pd.DataFrame, points: pd.DataFrame, cell: Mapping[str, Any], check: Mapping[str, Any]) -> Measured | None:
    at = points[points["budget"] == check["budget"]]
    return None if at.empty else Measured(float(at["speedup"].iloc[0]), _bound(at), f"{check['budget']} LSD")


def _quality(runs: pd.DataFrame, points: pd.DataFrame, cell: Mapping[str, Any], check: Mapping[str, Any]) -> Measured | None:
    """The mean over the seeds."""
    at = runs[(runs["method"] == check["method"]) & (runs["budget"] == check["budget"])]
    return None if at.empty else Measured(float(at["quality"].mean()), budgets=f"{check['method']} at {check['budget']} LSD")


def _ratio(runs: pd.DataFrame, points: pd.DataFrame, cell: Mapping[str, Any], check: Mapping[str, Any]) -> Measured | None:
    ratios = runs["ratio_measured"].dropna()
    return None if ratios.empty else Measured(float(ratios.median()))


def _dot_size(runs: pd.DataFrame, points: pd.DataFrame, cell: Mapping[str, Any], check: Mapping[str, Any]) -> Measured | None:
    """Parameters of Dot's own, in millions."""
    sizes = runs["dot_own_parameters"].dropna()
    return None if sizes.empty else Measured(float(sizes.iloc[0]) / 1e6)


def _training_hours(runs: pd.DataFrame, points: pd.DataFrame, cell: Mapping[str, Any], check: Mapping[str, Any]) -> Measured | None:
    """Of Dot, where it was trained on the claim's hardware: hours of another kind are another number."""
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
"""A check's ``measure`` -> (runs, speedups, cell, check) -> the number, or None where no run gives it. Both hold the cell's rows only."""


def judge(
    claims: Sequence[Mapping[str, Any]],
    runs: pd.DataFrame,
    speedups: pd.DataFrame,
    latencies: pd.DataFrame | None = None,
    costs: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Verdicts on all claims: one row for each claim and cell, for each task of the twin where it alone was run.

    * "reproduced": the number is in the claimed range, widened by the tolerance.
    * "deviating": it is not. ``deviation`` is the relative distance from the range, below 0 where ours is smaller.
    * "only in miniature": no comparable run of the paper's scale, but of the twin; its number is in ``twin``, never in ``ours``.
    * "not run": neither; also where too few budgets were run, or ``ours`` is a bound that leaves the claim open (see ``note``).

    Args:
        claims: of :func:`read_claims`.
        runs: columns :data:`morse.results.runs.RUN_COLUMNS`.
        speedups: columns :data:`morse.results.speedup.SPEEDUP_COLUMNS`.
        latencies, costs: the tables of :mod:`morse.results.costs`, for claims about Dot's size and training; None: these are not run.

    Returns:
        columns :data:`CLAIM_COLUMNS`, numbers NaN where there are none.
    """
    runs = _with_models(runs, latencies, ["dot_own_parameters"])
    runs = _with_models(runs, costs, ["training_seconds", "trained_on"])
    rows = [row for claim in claims for cell in claim["cells"] for row in _judge_cell(claim, cell, runs, speedups)]
    table = pd.DataFrame(rows, columns=CLAIM_COLUMNS)
    numbers = ["expected_low", "expected_high", "tolerance", "ours", "deviation", "twin"]
    words = [name for name in CLAIM_COLUMNS if name not in numbers]
    return table.astype(dict.fromkeys(numbers, float)).assign(**table[words].astype(object).fillna(""))


def _with_models(runs: pd.DataFrame, table: pd.DataFrame | None, columns: Sequence[str]) -> pd.DataFrame:
    """The runs with what another table says of their models, the same in each of its rows; NaN where it says nothing."""
    if table is None:
        return runs.assign(**dict.fromkeys(columns, np.nan))
    return runs.join(table.groupby("model")[list(columns)].first(), on="model")


def _judge_cell(claim: Mapping[str, Any], cell: Mapping[str, Any], runs: pd.DataFrame, speedups: pd.DataFrame) -> list[dict[str, Any]]:
    low, high = _range(claim)
    row = {key: claim.get(key) for key in ("id", "claim", "source", "reading", "unit")}
    row |= {key: cell.get(key) for key in ("model", "task", "sampler")}
    row |= {"marks": ", ".join(claim["marks"]), "verdict": NOT_RUN}
    row |= {f"expected_{end}": limit for end, limit in (("low", low), ("high", high)) if np.isfinite(limit)}
    if "unmeasured" in claim:
        return [row | {"note": claim["unmeasured"]}]
    check = claim["check"]
    row["tolerance"] = check["tolerance"]
    answer = _at_scale(cell, check, runs, speedups)
    row |= _compare(answer, low, high, check["tolerance"]) if isinstance(answer, Measured) else {"note": answer}
    if row["verdict"] != NOT_RUN or "ours" in row:
        return [row]
    return _in_miniature(row, cell, check, runs, speedups) or [row]


def _at_scale(cell: Mapping[str, Any], check: Mapping[str, Any], runs: pd.DataFrame, speedups: pd.DataFrame) -> Measured | str:
    """Our number of the claim's cell, or in words why there is none."""
    where = {key: cell[key] for key in ("model", "task", "sampler") if key in cell}
    found = _select(runs, where)
    if found.empty:
        elsewhere = "" if _select(runs, {"model": cell["model"]}).empty else f", only other runs of {cell['model']}"
        return f"no run of {' '.join(where.values())}{elsewhere}"
    wanted = {"scale": PAPER, "metric": check.get("metric"), "images": cell.get("images", check.get("images"))}
    for column, value in wanted.items():
        other = sorted(set(found[column]) - {value}) if value is not None else []
        if other:
            return f"not comparable: {column} is {', '.join(map(str, other))}, the claim's is {value}"
    alike = {column: wanted[column] for column in ("scale", "metric") if wanted[column] is not None}
    measured = MEASURES[check["measure"]](found, _select(speedups, where | alike), cell, check)
    return measured or f"the runs of {' '.join(where.values())} do not give this number"


def _compare(measured: Measured, low: float, high: float, tolerance: float) -> dict[str, Any]:
    """The columns that follow from a number of the claim's own kind."""
    if measured.missing:  # an average over other budgets is another number, so it does not stand in ours
        return {"note": measured.missing}
    value = measured.value
    row = {"ours": value, "bound": measured.bound}
    deviation = value / low - 1.0 if value < low else value / high - 1.0 if value > high else 0.0
    # All that the true number can be: a bound decides only where this lies within the range or apart from it.
    least = value if measured.bound in ("", ">=") else -np.inf
    most = value if measured.bound in ("", "<=") else np.inf
    low, high = low * (1.0 - tolerance), high * (1.0 + tolerance)
    within = f"tolerance {100 * tolerance:.3g} %{'; ' if measured.budgets else ''}{measured.budgets}"
    if low <= least and most <= high:
        size = f"within {100 * abs(deviation):.2g} % of the claimed" if deviation else "within the claimed range"
        return row | {"verdict": REPRODUCED, "deviation": deviation, "note": f"{size}, {within}"}
    if most < low or least > high:
        size = f"{100 * abs(deviation):.3g} % {'below' if deviation < 0 else 'above'}"
        return row | {"verdict": DEVIATING, "deviation": deviation, "note": f"{size} the claimed, {within}"}
    return row | {"note": "some points are bounds and leave it open; it needs more budgets of the baseline"}


def _in_miniature(
    row: Mapping[str, Any], cell: Mapping[str, Any], check: Mapping[str, Any], runs: pd.DataFrame, speedups: pd.DataFrame
) -> list[dict[str, Any]]:
    """The row with the twin's number, for each task that the twin was run on."""
    twin = {"model": f"{cell['model']}{TWIN_SUFFIX}", "scale": MINI} | {key: cell[key] for key in ("sampler",) if key in cell}
    rows = []
    for task, found in _select(runs, twin).groupby("task"):
        measured = MEASURES[check["measure"]](found, _select(speedups, twin | {"task": task}), cell, check)
        if measured is not None:
            metric = f"{found['metric'].iloc[0]}, {found['images'].iloc[0]} images" if "metric" in check else ""
            what = ", ".join(part for part in (f"{twin['model']} on {task}", measured.budgets, metric) if part)
            numbers = {"twin": measured.value, "twin_bound": measured.bound, "twin_model": twin["model"], "twin_task": task}
            rows.append({**row, **numbers, "verdict": MINIATURE, "note": f"{row['note']}; twin: {what}"})
    return rows


def _select(table: pd.DataFrame, where: Mapping[str, Any]) -> pd.DataFrame:
    """The rows that have all these values."""
    keep = np.ones(len(table), dtype=bool)
    for column, value in where.items():
        keep &= (table[column] == value).to_numpy()
    return table[keep]
