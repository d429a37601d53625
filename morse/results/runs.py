r"""runs.csv: the records of runs as one tidy table, with their costs; and averages over seeds.

Two clocks measure what a run costs. The time budget in LSD (latencies of a Dash step; Morse, arXiv
2506.18251) counts calls in units of one Dash call,

.. math::
    \mathrm{LSD} = \sum_l \mathrm{calls}(l)\, \mathrm{cost}(l), \qquad
    \mathrm{cost}(D) = 1,\ \mathrm{cost}(\cdot) = 1 / N.

LSD is honest only with costs measured on the device. The wall-clock per image, in seconds, also
includes everything else (:mod:`morse.results.timing`). Quality is a distance to the data, so lower
is better.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from morse.experiments.axes import AXES
from morse.methods.plans import DASH, DOT
from morse.provenance import code_version
from morse.quality.metrics import COLUMNS as METRIC_COLUMNS
from morse.registry import remove_and_run

RUN = list(AXES)
POINT = RUN[:-1]
CURVE = RUN[:4]
CLOCKS = {"lsd": "", "seconds_per_image": "_wall"}
"""Column of a cost -> suffix of its columns in the tables of speedups."""
COMPARABLE = ["scale", "images", "metric", "extractor", "dash_execution"]
"""Columns in which the runs of one (model, task) must agree."""
RUN_COLUMNS = [
    *RUN, *COMPARABLE, "dot_execution", "quality", "quality_se",
    "nfe", "dash_calls", "dot_calls", "ratio_nominal", "ratio_measured", "lsd", "lsd_nominal",
    "seconds", "decoding_seconds", "seconds_per_image", "wall_lsd", "memory", "device", "commit", "code",
    *METRIC_COLUMNS,
]  # fmt: skip
"""Columns of every table of runs. Those of further extractors follow, with the names that
:func:`metric_column` gives."""


def metric_column(column: str, extractor: str) -> str:
    """The column of a metric by a further extractor.

    Columns of a task's first extractor have no suffix.
    """
    return f"{column}_{extractor}"


def further_extractors(records: Iterable[Mapping[str, Any]]) -> list[str]:
    """Names of the extractors, beside the first, that any run was measured by."""
    return sorted(
        {
            name
            for record in records
            for name in record.get("metrics", {})
            if name != record["quality"]["extractor_name"]
        }
    )


def _row(record: Mapping[str, Any], latencies: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """One record as a flat row; costs follow from its calls and the cost of each kind of call."""
    run, quality, provenance = record["run"], record["quality"], record["provenance"]
    if missing := {*record["plan"]} - {*record["costs"]}:
        raise ValueError(f"no nominal cost of the calls {', '.join(sorted(missing))}: {_name(run)}")
    calls, nominal = Counter(record["plan"]), record["costs"]
    measured = _measured_costs(record, latencies)
    return {
        **{key: run[key] for key in RUN},
        **{key: record[key] for key in ("scale", "images", "seconds", "decoding_seconds", "memory")},
        **{f"{network}_execution": execution for network, execution in provenance["execution"].items()},
        "metric": quality["label"], "extractor": quality["extractor"], "reference": quality["reference"],
        "quality": quality["value"], "quality_se": quality["standard_error"],
        "nfe": len(record["plan"]), "dash_calls": calls[DASH], "dot_calls": calls[DOT],
        "ratio_nominal": 1.0 / nominal[DOT] if DOT in nominal else None,
        "ratio_measured": 1.0 / measured[DOT] if DOT in measured else None,
        "lsd": _lsd(calls, measured), "lsd_nominal": _lsd(calls, nominal),
        "seconds_per_image": record["seconds"] / record["images"], "wall_lsd": None,
        "device": provenance["device"],
        "commit": code_version(provenance),
        "code": provenance["code"],
        **_metrics(record),
    }  # fmt: skip


def _lsd(calls: Mapping[str, int], costs: Mapping[str, float]) -> float:
    return sum(number * costs[letter] for letter, number in calls.items())


def _measured_costs(record: Mapping[str, Any], latencies: Mapping[str, Mapping[str, Any]]) -> Mapping[str, float]:
    """Measured cost of each kind of call of the run's method.

    Dash's call needs no measurement: it is the unit.
    """
    kinds = {DASH, *record["costs"]}
    if kinds == {DASH}:
        return {DASH: 1.0}
    run = record["run"]
    costs = latencies.get(run["model"], {}).get("costs", {})
    if missing := kinds - {*costs}:
        raise ValueError(
            f"no measured latency of {run['model']}'s calls {', '.join(sorted(missing))}: "
            f"its runs by {run['method']} have no cost in LSD"
        )
    return {letter: costs[letter] for letter in kinds}


def _metrics(record: Mapping[str, Any]) -> dict[str, Any]:
    """Columns of all metrics beside the quality, and the identities of further extractors."""
    row: dict[str, Any] = {}
    for name, measured in record.get("metrics", {}).items():
        first = name == record["quality"]["extractor_name"]
        for column, found in measured["metrics"].items():
            column = column if first else metric_column(column, name)
            row[column] = found["value"]
            if found["standard_error"] is not None:
                row[f"{column}_se"] = found["standard_error"]
        if not first:
            row |= {f"{name}: {key}": measured[key] for key in ("label", "extractor", "reference")}
    return row


def _name(run: Mapping[str, Any] | pd.Series) -> str:
    return " ".join(f"{key}={run[key]}" for key in RUN)


def runs_table(records: Iterable[Mapping[str, Any]], latencies: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """The tidy table of all runs: one row a run, sorted.

    Its columns are :data:`RUN_COLUMNS` and those of further extractors. ``lsd`` is the honest cost,
    with measured costs of calls. ``lsd_nominal`` has the costs that the plan was made with.
    Where some calls are free in the plan, ``lsd`` is a little above the budget. ``metric`` is the
    quality's label. A run of Dash alone needs no latencies, and its ratios are NaN.

    Args:
        records: of :func:`morse.results.records.read_records`.
        latencies: model -> its latency record, of which ``costs`` (letter -> LSD) is read.

    Raises:
        ValueError: for duplicate runs, calls without a nominal or measured cost, a run over its
            nominal budget, or a quality that is not a positive number with a standard error. Also
            if runs of one (model, task) differ in scale, image count, metric, extractor, execution
            or reference.
    """
    records = list(records)
    extractors = further_extractors(records)
    table = pd.DataFrame([_row(record, latencies) for record in records])
    identity = [f"{name}: {key}" for name in extractors for key in ("label", "extractor", "reference")]
    checked = [*COMPARABLE, "dot_execution", "reference", *identity]
    further = sorted({*table.columns} - {*RUN_COLUMNS, *checked})
    table = table.reindex(columns=list(dict.fromkeys([*RUN_COLUMNS, *further, *checked])))
    numbers = (
        "quality",
        "quality_se",
        "ratio_nominal",
        "ratio_measured",
        "lsd",
        "lsd_nominal",
        "wall_lsd",
        "memory",
        *METRIC_COLUMNS,
        *further,
    )
    table = table.astype({key: float for key in numbers})
    sound = (
        np.isfinite(table["quality"])
        & (table["quality"] > 0)
        & np.isfinite(table["quality_se"])
        & (table["quality_se"] >= 0)
    )
    faults = {
        "more than one record of the run": table.duplicated(RUN),
        "over its nominal budget": table["lsd_nominal"] > table["budget"] + 1e-9,
        "its quality is not a positive number with a standard error": ~sound,
    }
    for fault, rows in faults.items():
        if rows.any():
            raise ValueError(f"{fault}: {_name(table[rows].iloc[0])}")
    for (model, task), runs in table.groupby(CURVE[:2]):
        for column in checked:
            if len(values := runs[column].dropna().unique()) > 1:
                raise ValueError(f"{model} on {task}: runs differ in {column}: {', '.join(map(str, sorted(values)))}")
    return table[[*RUN_COLUMNS, *further]].sort_values(RUN, ignore_index=True)


def check_one_code(runs: pd.DataFrame) -> str:
    """A warning if more than one version of the library made the runs, else the empty string."""
    versions = runs["code"].value_counts()
    if len(versions) <= 1:
        return ""
    return f"runs of {len(versions)} versions of the library: " + ", ".join(
        f"{code} ({n} runs)" for code, n in versions.items()
    )


def check_one_device(runs: pd.DataFrame, latencies: Iterable[Mapping[str, Any]], paths: Iterable[Path | str]) -> str:
    """A warning if calls were measured on another device than runs were sampled on, else the empty
    string.

    Args:
        latencies, paths: latency records and their files.
    """
    for latency, path in zip(latencies, paths, strict=True):
        measured, devices = latency["provenance"]["device"], runs.loc[runs["model"] == latency["model"], "device"]
        if others := sorted({*devices} - {measured}):
            return (
                f"costs in LSD of {latency['model']} are of another device: {path} was measured on {measured}, and "
                f"runs were sampled on {', '.join(others)}; {remove_and_run('to measure here', path)}"
            )
    return ""


def average_seeds(runs: pd.DataFrame) -> pd.DataFrame:
    """Means over the seeds of each point of :func:`runs_table`.

    A point is (model, task, sampler, guidance, method, budget). ``quality_se`` is the standard
    error of that mean, from the records' own errors: two or three seeds say little of their spread,
    and runs of different seeds share nothing. Costs are means over the same seeds.

    Where all points of a curve have ``wall_lsd``, ``seconds_per_image`` is that times one factor,
    the median over the curve of seconds for an LSD. So points that were timed hours apart compare
    as if the machine's speed had not drifted (:mod:`morse.results.timing`).
    """
    points = runs.groupby([*POINT, *COMPARABLE]).agg(
        quality=("quality", "mean"),
        quality_se=("quality_se", lambda errors: np.sqrt(np.square(errors).sum()) / len(errors)),
        nfe=("nfe", "mean"),
        lsd=("lsd", "mean"),
        seconds_per_image=("seconds_per_image", "mean"),
        wall_lsd=("wall_lsd", "mean"),
        n_seeds=("seed", "nunique"),
    )
    points = points.reset_index()
    curves = [points[axis] for axis in CURVE]
    factor = (points["seconds_per_image"] / points["wall_lsd"]).groupby(curves).transform("median")
    timed = points["wall_lsd"].notna().groupby(curves).transform("all")
    steady = (points["wall_lsd"] * factor).where(timed, points["seconds_per_image"])
    return points.assign(seconds_per_image=steady).drop(columns="wall_lsd")
