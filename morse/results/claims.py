"""claims.csv: a verdict on each claim of config/claims.yaml, in each of its cells.

Verdicts come from the tables of runs and speedups. A number is compared with a claim's only if its
runs are comparable. They must have the paper's scale, and the claim's metric, number of images and
budgets. The table says in words why a number is not compared. A mini twin's number is in columns of
its own. A run that was not made has no number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from morse.experiments.axes import curve_of, named
from morse.experiments.schema import validate
from morse.experiments.yaml import read_yaml
from morse.results.claim_measures import MEASURES, Measured

REPRODUCED, DEVIATING, MINIATURE, NOT_RUN = "reproduced", "deviating", "only in miniature", "not run"
TWIN_SUFFIX = "-mini"
PAPER, MINI = "paper", "mini"
"""The scales of runs."""

CLAIM_COLUMNS = [
    "id", "claim", "marks", "source", "reading", "model", "task", "sampler", "guidance",
    "expected_low", "expected_high", "unit", "tolerance", "verdict", "ours", "bound", "deviation",
    "twin", "twin_bound", "twin_model", "twin_task", "note",
]  # fmt: skip


def read_claims(path: Path, schema: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The claims of a file, each with its ``source`` in words and the ``method`` that it is about.

    Args:
        path: a file such as config/claims.yaml.
        schema: the content of workflow/schemas/claims.schema.yaml.

    Raises:
        ValueError: one line that names the file and the key.
    """
    content = read_yaml(path)
    validate(content, schema, str(path))
    seen = set()
    for place, claim in enumerate(content["claims"]):
        key = f"{path}: claims[{place}]"
        if claim["id"] in seen:
            raise ValueError(f"{key}.id: {claim['id']!r} appears twice")
        seen.add(claim["id"])
        if {"check", "unmeasured"} <= claim.keys():
            raise ValueError(f"{key}.unmeasured: is beside check; keep one of the two")
        low, high = claimed_range(claim)
        if low > high:
            raise ValueError(f"{key}.expected: low {low:g} is above high {high:g}")
        budgets = claim.get("check", {}).get("budgets")
        if budgets and budgets["first"] > budgets["last"]:
            raise ValueError(f"{key}.check.budgets: first {budgets['first']} is above last {budgets['last']}")
    return [
        claim | {"method": content["method"], "source": "; ".join(content["sources"][mark] for mark in claim["marks"])}
        for claim in content["claims"]
    ]


def claimed_range(claim: Mapping[str, Any]) -> tuple[float, float]:
    """The lowest and highest number that a claim states, infinite if it states none."""
    expected = claim.get("expected", {})
    return expected.get("low", expected.get("value", -np.inf)), expected.get("high", expected.get("value", np.inf))


def judge(
    claims: Sequence[Mapping[str, Any]],
    runs: pd.DataFrame,
    speedups: pd.DataFrame,
    latencies: pd.DataFrame | None = None,
    costs: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """The verdicts on all claims: one row for each claim and cell.

    If only the twin was run, there is one row for each of the twin's tasks. The verdicts are:

    * "reproduced": the number is in the claimed range, widened by the tolerance.
    * "deviating": it is not. ``deviation`` is the relative distance from the range, below 0 if ours
      is smaller.
    * "only in miniature": there is no comparable run of the paper's scale, but one of the twin. Its
      number is in ``twin``, never in ``ours``.
    * "not run": there is neither. The same holds if too few budgets were run, and there is no twin.
      It also holds if ``ours`` is a bound that leaves the claim open (see ``note``).

    Args:
        claims: of :func:`read_claims`.
        runs: columns :data:`morse.results.runs.RUN_COLUMNS`.
        speedups: columns :data:`morse.results.speedup.SPEEDUP_COLUMNS`.
        latencies, costs: latency.csv and costs.csv (:mod:`morse.results.latency`,
            :mod:`morse.results.costs`), for claims about Dot's size and training. None: these
            claims are not run.

    Returns:
        Columns :data:`CLAIM_COLUMNS`, numbers NaN if there are none.
    """
    runs = _with_models(runs, latencies, ["dot_own_parameters"])
    runs = _with_models(runs, costs, ["training_seconds", "trained_on"])
    rows = [row for claim in claims for cell in claim["cells"] for row in _judge_cell(claim, cell, runs, speedups)]
    table = pd.DataFrame(rows, columns=CLAIM_COLUMNS)
    numbers = ["expected_low", "expected_high", "tolerance", "ours", "deviation", "twin"]
    words = [name for name in CLAIM_COLUMNS if name not in numbers]
    return table.astype(dict.fromkeys(numbers, float)).assign(**table[words].astype(object).fillna(""))


def _with_models(runs: pd.DataFrame, table: pd.DataFrame | None, columns: Sequence[str]) -> pd.DataFrame:
    """The runs with columns that another table has for their models; NaN for models that it lacks.

    In that table these columns are the same in all rows of a model, or missing.
    """
    if table is None:
        return runs.assign(**dict.fromkeys(columns, np.nan))
    known = table[list(columns)].replace("", np.nan)  # in a table from a file missing text is empty
    return runs.join(known.groupby(table["model"]).first(), on="model")


def _judge_cell(
    claim: Mapping[str, Any], cell: Mapping[str, Any], runs: pd.DataFrame, speedups: pd.DataFrame
) -> list[dict[str, Any]]:
    low, high = claimed_range(claim)
    row = {key: claim.get(key) for key in ("id", "claim", "source", "reading", "unit")}
    row |= curve_of(cell)
    row |= {"marks": ", ".join(claim["marks"]), "verdict": NOT_RUN}
    row |= {f"expected_{end}": limit for end, limit in (("low", low), ("high", high)) if np.isfinite(limit)}
    if "unmeasured" in claim:
        return [row | {"note": claim["unmeasured"]}]
    check = claim["check"]
    row["tolerance"] = check["tolerance"]
    speedups = _select(speedups, {"method": claim["method"]})
    answer = _at_scale(cell, check, runs, speedups)
    row |= _compare(answer, low, high, check["tolerance"]) if isinstance(answer, Measured) else {"note": answer}
    if row["verdict"] != NOT_RUN or "ours" in row:
        return [row]
    return _in_miniature(row, cell, check, runs, speedups) or [row]


def _at_scale(
    cell: Mapping[str, Any], check: Mapping[str, Any], runs: pd.DataFrame, speedups: pd.DataFrame
) -> Measured | str:
    """Our number for the claim's cell, or the reason in words why there is none."""
    where = curve_of(cell)
    found = _select(runs, where)
    if found.empty:
        elsewhere = "" if _select(runs, {"model": cell["model"]}).empty else f", only other runs of {cell['model']}"
        return f"no run of {named(where.values())}{elsewhere}"
    wanted = {"scale": PAPER, "metric": check.get("metric"), "images": cell.get("images", check.get("images"))}
    for column, value in wanted.items():
        other = sorted(set(found[column]) - {value}) if value is not None else []
        if other:
            return f"not comparable: {column} is {', '.join(map(str, other))}, the claim's is {value}"
    alike = {column: wanted[column] for column in ("scale", "metric") if wanted[column] is not None}
    measured = MEASURES[check["measure"]](found, _select(speedups, where | alike), cell, check)
    return measured or f"the runs of {named(where.values())} do not give this number"


def _compare(measured: Measured, low: float, high: float, tolerance: float) -> dict[str, Any]:
    """The columns that follow from a number that is comparable with the claim's."""
    if measured.missing:  # an average over other budgets is another number, and not in ``ours``
        return {"note": measured.missing}
    value = measured.value
    row = {"ours": value, "bound": measured.bound}
    deviation = value / low - 1.0 if value < low else value / high - 1.0 if value > high else 0.0
    # The true number is from least to most. A bound decides the verdict only if all of this is
    # inside the range, or all outside.
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
    row: Mapping[str, Any],
    cell: Mapping[str, Any],
    check: Mapping[str, Any],
    runs: pd.DataFrame,
    speedups: pd.DataFrame,
) -> list[dict[str, Any]]:
    """The row with the twin's number, once for each task that the twin was run on."""
    twin = {"model": f"{cell['model']}{TWIN_SUFFIX}", "scale": MINI} | {
        key: cell[key] for key in ("sampler",) if key in cell
    }
    rows = []
    for task, found in _select(runs, twin).groupby("task"):
        measured = MEASURES[check["measure"]](found, _select(speedups, twin | {"task": task}), cell, check)
        if measured is not None:
            metric = f"{found['metric'].iloc[0]}, {found['images'].iloc[0]} images" if "metric" in check else ""
            what = ", ".join(part for part in (f"{twin['model']} on {task}", measured.budgets, metric) if part)
            numbers = {
                "twin": measured.value,
                "twin_bound": measured.bound,
                "twin_model": twin["model"],
                "twin_task": task,
            }
            rows.append({**row, **numbers, "verdict": MINIATURE, "note": f"{row['note']}; twin: {what}"})
    return rows


def _select(table: pd.DataFrame, where: Mapping[str, Any]) -> pd.DataFrame:
    """The rows that have all these values."""
    keep = np.ones(len(table), dtype=bool)
    for column, value in where.items():
        keep &= (table[column] == value).to_numpy()
    return table[keep]
