r"""Records of nodes -> tidy tables: costs, averages over seeds, and Morse's speedup at equal quality.

Two clocks measure what a run costs. The time budget in LSD (latencies of a step of Dash; Morse, arXiv 2506.18251) counts
network calls in units of one Dash call,

.. math:: \mathrm{LSD} = \mathrm{calls(Dash)} + \mathrm{calls(Dot)} / N,

and is honest only with N measured on the device; the wall-clock per image, in seconds, holds everything else too. The
quality is a distance to the data, so that lower is better. The speedup at a Morse point is the cost at which the baseline's
quality-cost curve reaches Morse's quality, over Morse's cost.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

NODE = ["model", "task", "sampler", "method", "budget", "seed"]
POINT = NODE[:-1]
CURVE = NODE[:3]
SAME = ["scale", "images", "metric", "extractor"]
CLOCKS = {"lsd": "", "seconds_per_image": "_wall"}
"""Column of the cost -> suffix of its columns in the tables of speedups."""
SECONDARY = (
    "kid", "kid_se", "frechet_infinity", "frechet_infinity_se",
    "precision", "precision_se", "recall", "density", "density_se", "coverage",
)  # fmt: skip
"""Columns of what was computed beside the distance (:mod:`morse.secondary_metrics`); empty where it was not."""
BEFORE_SATURATION = "before saturation"
DRAWS = 2000
INTERVAL = (2.5, 97.5)

RUN_COLUMNS = [
    *NODE, *SAME, "quality", "quality_se", "dash_calls", "dot_calls", "ratio_nominal", "ratio_measured",
    "lsd", "lsd_nominal", "seconds", "seconds_per_image", "memory", "device", "commit", "code", *SECONDARY,
]  # fmt: skip
SPEEDUP_COLUMNS = [
    *CURVE, "budget", "saturated", "quality", "baseline_quality", "difference", "difference_se", "lsd", "baseline_lsd", "ceiling",
    "speedup", "speedup_low", "speedup_high", "censored",
    "speedup_wall", "speedup_wall_low", "speedup_wall_high", "censored_wall",
    "scale", "metric",
]  # fmt: skip

SUMMARY_COLUMNS = [
    *CURVE, "scale", "metric", "band",
    *(f"{name}{suffix}" for suffix in CLOCKS.values()
      for name in ("points", "excluded", "geometric_mean", "arithmetic_mean", "lower_bound")),
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


def _secondary(metrics: Mapping[str, Mapping[str, Any]]) -> dict[str, float | None]:
    values = {name: found["value"] for name, found in metrics.items()}
    return values | {f"{name}_se": found["standard_error"] for name, found in metrics.items() if found["standard_error"] is not None}


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
            runs of one (model, task) that cannot be compared: another scale, image count, metric, extractor or reference.
    """
    table = pd.DataFrame([_row(record, latencies) for record in records], columns=[*RUN_COLUMNS, "reference"])
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
        for column in [*SAME, "reference"]:
            if runs[column].nunique() > 1:
                raise ValueError(f"{model} on {task}: runs differ in {column}: {', '.join(map(str, sorted(runs[column].unique())))}")
    return table[RUN_COLUMNS].sort_values(NODE, ignore_index=True)


def check_one_code(runs: pd.DataFrame) -> str:
    """A line of warning if the runs were made by more than one version of the library, else the empty string."""
    versions = runs["code"].value_counts()
    if len(versions) <= 1:
        return ""
    return f"runs of {len(versions)} versions of the library: " + ", ".join(f"{code} ({n} runs)" for code, n in versions.items())


def average_seeds(runs: pd.DataFrame) -> pd.DataFrame:
    """Means over the seeds of each point (model, task, sampler, method, budget) of :func:`runs_table`.

    ``quality_se`` is the standard error of that mean, from the spread over seeds where there are two or more, else the
    record's own. Costs are means over the same seeds.
    """
    points = (
        runs.assign(calls=runs["dash_calls"] + runs["dot_calls"])
        .groupby([*POINT, *SAME])
        .agg(
            quality=("quality", "mean"),
            quality_se=("quality_se", "first"),
            spread=("quality", "sem"),
            calls=("calls", "mean"),
            lsd=("lsd", "mean"),
            seconds_per_image=("seconds_per_image", "mean"),
            n_seeds=("seed", "nunique"),
        )
    )
    points["quality_se"] = points["spread"].where(points["n_seeds"] > 1, points["quality_se"])
    return points.drop(columns="spread").reset_index()


@dataclass(frozen=True)
class EqualQuality:
    """The baseline's cost at a quality; ``censored`` is "above", "below" or empty (see :func:`equal_quality_cost`)."""

    cost: float
    censored: str


def _invert(log_cost: np.ndarray, log_quality: np.ndarray, log_target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Log cost (P,), ascending; log quality (..., P); log target (...) -> log cost (...) and censoring (...) at the target."""
    best = np.minimum.accumulate(log_quality, axis=-1)
    reached = best <= log_target[..., None]
    # Where nothing reaches the target, argmin finds the first of the points that hold the best quality.
    after = np.where(reached.any(-1), reached.argmax(-1), best.argmin(-1))
    before = np.maximum(after - 1, 0)
    best = np.broadcast_to(best, reached.shape)
    upper, lower = (np.take_along_axis(best, index[..., None], -1)[..., 0] for index in (before, after))
    drop = upper - lower
    weight = np.clip(np.divide(upper - log_target, drop, out=np.ones_like(drop), where=drop > 0), 0.0, 1.0)
    censored = np.select([log_target < best[..., -1], log_target > best[..., 0]], ["above", "below"], "")
    return (1.0 - weight) * log_cost[before] + weight * log_cost[after], censored


def equal_quality_cost(cost: Sequence[float], quality: Sequence[float], target: float) -> EqualQuality:
    """The cost at which the baseline's curve reaches the quality ``target`` (lower is better).

    The curve is the running minimum of quality from small to large cost (the best quality to be had for at most that cost,
    which settles what a curve that is not monotone means), linear between points in log cost and log quality. Outside of
    the measured range the cost is the edge's and ``censored`` says so:

    * "above": the target is better than every baseline point. The cost is that at which the best quality was first
      reached, the smallest lower bound, so that more budgets at which nothing improves add nothing to it.
    * "below": the target is worse than the cheapest baseline point. The cost is that point's, an upper bound.

    Args:
        cost: (P,) positive costs of the baseline's points, in any order and unit.
        quality: (P,) positive qualities of the same points.
        target: the quality to reach.
    """
    order = np.argsort(cost, kind="stable")
    log_cost, log_quality = (np.log(np.asarray(values, dtype=float))[order] for values in (cost, quality))
    log_at, censored = _invert(log_cost, log_quality, np.log(np.asarray(target, dtype=float)))
    return EqualQuality(float(np.exp(log_at)), str(censored))


def saturation(baseline: pd.DataFrame, tolerance: float) -> float:
    """The budget from which on a baseline's curve is flat: the first whose quality is within ``tolerance`` of the curve's best.

    There its cost at some quality is decided by noise, and a speedup read off says nothing. Infinite where only the last point comes
    so near: then the curve is still falling.

    Args:
        baseline: one curve's points, with ``budget`` and ``quality``.
        tolerance: relative, such as 0.05.
    """
    points = baseline.sort_values("budget")
    near = points.loc[points["quality"] <= (1.0 + tolerance) * points["quality"].min(), "budget"].to_numpy()
    return float(near[0]) if len(near) and near[0] < points["budget"].iloc[-1] else np.inf


def _log_draws(points: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
    """(1 + DRAWS, P) log qualities: the estimates first, then draws with the relative standard error as deviation."""
    noise = np.vstack([np.zeros(len(points)), rng.standard_normal((DRAWS, len(points)))])
    return np.log(points["quality"].to_numpy()) + noise * (points["quality_se"] / points["quality"]).to_numpy()


def _speedups(baseline: pd.DataFrame, morse: pd.DataFrame, clock: str) -> dict[str, np.ndarray]:
    """Columns of one clock for the P Morse points of one curve, each (P,)."""
    rng = np.random.default_rng(0)  # anew for each curve and clock, so that no curve's interval depends on another's
    baseline = baseline.sort_values(clock)
    curves, targets = _log_draws(baseline, rng), _log_draws(morse, rng)
    log_cost, censored = _invert(np.log(baseline[clock].to_numpy()), curves[:, None, :], targets)
    speedup = np.exp(log_cost - np.log(morse[clock].to_numpy()))
    low, high = np.percentile(speedup[1:], INTERVAL, axis=0)
    suffix = CLOCKS[clock]
    return {f"speedup{suffix}": speedup[0], f"speedup{suffix}_low": low, f"speedup{suffix}_high": high, f"censored{suffix}": censored[0]}


def _differences(runs: pd.DataFrame, baseline: pd.DataFrame, morse: pd.DataFrame) -> pd.DataFrame:
    """Morse's points beside the baseline's of the same budget (NaN where it has none), with the difference in quality."""
    other = baseline.set_index("budget")[["quality", "quality_se", "lsd"]].add_prefix("baseline_")
    table = morse.join(other, on="budget")
    pairs = runs.pivot(index=["budget", "seed"], columns="method", values="quality").dropna()
    paired = (pairs["morse"] - pairs["baseline"]).groupby("budget").agg(["mean", "sem", "count"]).reindex(table["budget"]).reset_index()
    unpaired = table["quality"] - table["baseline_quality"]
    table["difference"] = paired["mean"].where(paired["count"] > 1, unpaired)
    table["difference_se"] = paired["sem"].where(paired["count"] > 1, np.hypot(table["quality_se"], table["baseline_quality_se"]))
    return table


def speedup_table(runs: pd.DataFrame, tolerance: float = 0.05) -> pd.DataFrame:
    """Morse's speedup at equal quality at each of its points, on both clocks: columns :data:`SPEEDUP_COLUMNS`.

    ``speedup = cost of the baseline at Morse's quality / Morse's cost`` (:func:`equal_quality_cost` on the averages over
    seeds); the columns with ``wall`` take seconds per image as cost, the others LSD. A censored speedup is a bound: the true
    one is larger ("above") or smaller ("below"). The intervals are the 2.5 and 97.5 percentiles of 2000 seeded draws of both
    curves, normal in log quality with their relative standard errors. Draws that leave the range of the baseline count with
    the edge's value, both curves are drawn independently though they share their starting noise, and costs are taken as exact.

    ``difference`` is Morse's quality less the baseline's at the same budget (below 0: Morse is better), paired over the
    seeds that both have where these are two or more; else of the averages, with the root of the summed squared errors.
    ``ceiling`` is what a perfect Dot would reach: it gives Dash's own estimates, so a run is the baseline's with as many calls, and
    costs Morse's LSD. ``saturated`` tells budgets at which the baseline's curve is flat (:func:`saturation` with ``tolerance``).
    The wall-clock's columns are empty where the runs of a curve come from different devices.

    Raises:
        ValueError: if there are Morse runs without any baseline run to compare with.
    """
    tables = []
    for key, curve in runs.groupby(CURVE):
        points = average_seeds(curve)
        baseline, morse = (points[points["method"] == method].reset_index(drop=True) for method in ("baseline", "morse"))
        if morse.empty:
            continue
        if baseline.empty:
            raise ValueError(f"{' '.join(key)}: Morse runs without a baseline have no speedup")
        clocks = list(CLOCKS) if curve["device"].nunique() == 1 else ["lsd"]
        columns = {name: values for clock in clocks for name, values in _speedups(baseline, morse, clock).items()}
        columns |= {"ceiling": morse["calls"] / morse["lsd"], "saturated": morse["budget"] >= saturation(baseline, tolerance)}
        tables.append(_differences(curve, baseline, morse).assign(**columns).reindex(columns=SPEEDUP_COLUMNS))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=SPEEDUP_COLUMNS)


def speedup_summary(speedups: pd.DataFrame, max_quality: float | None = None) -> pd.DataFrame:
    """Mean speedups over the budgets of each (model, task, sampler), on both clocks.

    ``geometric_mean`` is ours, ``arithmetic_mean`` the paper's. Points censored "above" count with their bound, so the mean
    is a lower bound too (``lower_bound``); points censored "below" do not count (``excluded``), which flatters Morse: show
    their number beside the mean. Rows differ in their ``band``: "all" has every point, "before saturation" those of budgets at which the
    baseline's curve still falls (none where it never does), and with ``max_quality`` a third those of that quality or better. Columns
    with ``_wall`` are of the wall-clock.
    """
    bands = {"all": lambda curve: curve["quality"].notna(), BEFORE_SATURATION: lambda curve: ~curve["saturated"].astype(bool)}
    if max_quality is not None:
        bands[f"quality <= {max_quality:g}"] = lambda curve: curve["quality"] <= max_quality
    rows = []
    for key, curve in speedups.groupby([*CURVE, "scale", "metric"]):
        for band, chosen in bands.items():
            inside = curve[chosen(curve)]
            row = {**dict(zip([*CURVE, "scale", "metric"], key, strict=True)), "band": band}
            for suffix in CLOCKS.values():
                counted = inside[(inside[f"censored{suffix}"] != "below") & inside[f"speedup{suffix}"].notna()]
                values = counted[f"speedup{suffix}"].astype(float)
                row |= {
                    f"points{suffix}": len(values),
                    f"excluded{suffix}": int((inside[f"censored{suffix}"] == "below").sum()),
                    f"geometric_mean{suffix}": np.exp(np.log(values).mean()),
                    f"arithmetic_mean{suffix}": values.mean(),
                    f"lower_bound{suffix}": bool((counted[f"censored{suffix}"] == "above").any()),
                }
            rows.append(row)
    return pd.DataFrame(rows, columns=SUMMARY_COLUMNS)
