r"""Records of nodes -> the tidy table of runs, with their costs, and averages over seeds.

Two clocks measure what a run costs. The time budget in LSD (latencies of a step of Dash; Morse, arXiv 2506.18251) counts
network calls in units of one Dash call,

.. math:: \mathrm{LSD} = \mathrm{calls(Dash)} + \mathrm{calls(Dot)} / N,

and is honest only with N measured on the device; the wall-clock per image, in seconds, holds everything else too. The
quality is a distance to the data, so that lower is better.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

NODE = ["model", "task", "sampler", "method", "budget", "seed"]
POINT = NODE[:-1]
CURVE = NODE[:3]
SAME = ["scale", "images", "metric", "extractor", "dash_execution"]
SECOND_IDENTITY = {"metric": "label", "extractor": "extractor", "reference": "reference"}
"""What tells second opinions apart, of which runs that are compared have one."""
SECONDARY = (
    "kid", "kid_se", "frechet_infinity", "frechet_infinity_se",
    "precision", "precision_se", "recall", "density", "density_se", "coverage", "second_opinion", "second_opinion_se",
)  # fmt: skip
"""Columns of what was computed beside the distance (:mod:`morse.quality.metrics`); empty where it was not."""
RUN_COLUMNS = [
    *NODE, *SAME, "dot_execution", "quality", "quality_se", "dash_calls", "dot_calls", "ratio_nominal", "ratio_measured",
    "lsd", "lsd_nominal", "seconds", "seconds_per_image", "memory", "device", "commit", "code", *SECONDARY, "second_metric",
]  # fmt: skip


def _row(record: Mapping[str, Any], latencies: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """One record as a flat row; the costs follow from the calls and the two ratios."""
    node, quality, provenance = record["node"], record["quality"], record["provenance"]
    dash, dot, nominal, measured = record["calls"]["dash"], record["calls"]["dot"], record["ratio"], None
    if node["method"] != "baseline":
        if node["model"] not in latencies:
            raise ValueError(f"no measured latency of {node['model']}, so its Morse runs have no cost in LSD")
        measured = latencies[node["model"]]["ratio"]
    if dot and nominal is None:
        raise ValueError(f"{_name(node)} called Dot {dot} times without the ratio N of its plan")
    return {
        **{key: node[key] for key in NODE},
        **{key: record[key] for key in ("scale", "images", "seconds", "memory")},
        **{f"{network}_execution": execution for network, execution in provenance["execution"].items()},
        "metric": quality["label"], "extractor": quality["extractor"], "reference": quality["reference"],
        "quality": quality["value"], "quality_se": quality["standard_error"],
        "dash_calls": dash, "dot_calls": dot, "ratio_nominal": nominal, "ratio_measured": measured,
        "lsd": dash + (dot / measured if dot else 0.0),
        "lsd_nominal": dash + (dot / nominal if dot else 0.0),
        "seconds_per_image": record["seconds"] / record["images"],
        "device": provenance["device"],
        "commit": f"{provenance['commit']}{'-dirty' if provenance['dirty'] else ''}",
        "code": provenance["code"],
        **_secondary(record.get("metrics", {})),
    }  # fmt: skip


def _secondary(metrics: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    values = {name: found["value"] for name, found in metrics.items()}
    errors = {f"{name}_se": found["standard_error"] for name, found in metrics.items() if found["standard_error"] is not None}
    second = metrics.get("second_opinion", {})
    return values | errors | {f"second_{key}": second.get(of) for key, of in SECOND_IDENTITY.items()}


def _name(node: Mapping[str, Any] | pd.Series) -> str:
    return " ".join(f"{key}={node[key]}" for key in NODE)


def runs_table(records: Iterable[Mapping[str, Any]], latencies: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """The tidy table of all runs: one row a node, sorted, columns :data:`RUN_COLUMNS`.

    ``lsd`` is the honest cost, with the measured ratio of latencies; ``lsd_nominal`` has the ratio that the plan used.
    ``metric`` is the quality's label. The baseline needs no latencies, and its ratios are NaN.

    Args:
        records: one JSON record per node.
        latencies: model -> its latency record, of which ``ratio`` (seconds of a Dash step over seconds of a Dot step) is read.

    Raises:
        ValueError: for duplicate nodes, a node over its nominal budget, a quality or standard error that is no number, or
            runs of one (model, task) that cannot be compared: another scale, image count, metric, extractor, execution or reference.
    """
    checked = ["dot_execution", "reference", *(f"second_{key}" for key in SECOND_IDENTITY)]
    table = pd.DataFrame([_row(record, latencies) for record in records], columns=list(dict.fromkeys([*RUN_COLUMNS, *checked])))
    table = table.astype({key: float for key in ("quality", "quality_se", "ratio_nominal", "ratio_measured", "memory", *SECONDARY)})
    sound = np.isfinite(table["quality"]) & (table["quality"] > 0) & np.isfinite(table["quality_se"]) & (table["quality_se"] >= 0)
    faults = {
        "more than one record of the node": table.duplicated(NODE),
        "over its nominal budget": table["lsd_nominal"] > table["budget"] + 1e-9,
        "its quality is not a positive number with a standard error": ~sound,
    }
    for fault, rows in faults.items():
        if rows.any():
            raise ValueError(f"{fault}: {_name(table[rows].iloc[0])}")
    for (model, task), runs in table.groupby(CURVE[:2]):
        for column in [*SAME, *checked]:
            if len(found := runs[column].dropna().unique()) > 1:
                raise ValueError(f"{model} on {task}: runs differ in {column}: {', '.join(map(str, sorted(found)))}")
    return table[RUN_COLUMNS].sort_values(NODE, ignore_index=True)


def check_one_code(runs: pd.DataFrame) -> str:
    """A line of warning if the runs were made by more than one version of the library, else the empty string."""
    versions = runs["code"].value_counts()
    if len(versions) <= 1:
        return ""
    return f"runs of {len(versions)} versions of the library: " + ", ".join(f"{code} ({n} runs)" for code, n in versions.items())


def average_seeds(runs: pd.DataFrame) -> pd.DataFrame:
    """Means over the seeds of each point (model, task, sampler, method, budget) of :func:`runs_table`.

    ``quality_se`` is the standard error of that mean, from the records' own errors: two or three seeds say little of their spread,
    and runs of different seeds share nothing. Costs are means over the same seeds.
    """
    points = (
        runs.assign(calls=runs["dash_calls"] + runs["dot_calls"])
        .groupby([*POINT, *SAME])
        .agg(
            quality=("quality", "mean"),
            quality_se=("quality_se", lambda errors: np.sqrt(np.square(errors).sum()) / len(errors)),
            calls=("calls", "mean"),
            lsd=("lsd", "mean"),
            seconds_per_image=("seconds_per_image", "mean"),
            n_seeds=("seed", "nunique"),
        )
    )
    return points.reset_index()
