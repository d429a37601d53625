"""Morse's speedup at equal quality: the cost at which the baseline's quality-cost curve reaches Morse's quality, over Morse's cost.

Costs are in LSD and in seconds of wall-clock (:mod:`morse.results.runs`). Both curves' errors, correlated as the noise that their images
share makes them (:mod:`morse.results.jackknife`), are carried into intervals.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from morse.results.jackknife import degrees_of_freedom, error_factor
from morse.results.runs import CURVE, POINT, average_seeds

CLOCKS = {"lsd": "", "seconds_per_image": "_wall"}
"""Column of the cost -> suffix of its columns in the tables of speedups."""
BEFORE_SATURATION = "before saturation"
DRAWS = 2000
INTERVAL = (2.5, 97.5)


SPEEDUP_COLUMNS = [
    *CURVE, "budget", "saturated", "quality", "baseline_quality", "difference", "difference_se", "lsd", "baseline_lsd", "ceiling",
    "speedup", "speedup_low", "speedup_high", "censored",
    "speedup_wall", "speedup_wall_low", "speedup_wall_high", "censored_wall",
    "scale", "metric",
]  # fmt: skip

SUMMARY_COLUMNS = [
    *CURVE, "scale", "metric", "band",
    *(f"{name}{suffix}" for suffix in CLOCKS.values()
      for name in ("points", "excluded", "geometric_mean", "geometric_mean_low", "geometric_mean_high", "arithmetic_mean", "lower_bound")),
]  # fmt: skip


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
    so near: then the curve is still falling. Of a metric without bias whose best is not above zero, the points near it are those that are
    not either.

    Args:
        baseline: one curve's points, with ``budget`` and ``quality``.
        tolerance: relative, such as 0.05.
    """
    points = baseline.sort_values("budget")
    near = points.loc[points["quality"] <= max((1.0 + tolerance) * points["quality"].min(), 0.0), "budget"].to_numpy()
    return float(near[0]) if len(near) and near[0] < points["budget"].iloc[-1] else np.inf


def _log_draws(points: pd.DataFrame, factor: pd.DataFrame, normal: np.ndarray) -> np.ndarray:
    """(1 + DRAWS, P) log qualities of points: the estimates first, then draws with the relative errors that the factor has."""
    rows = factor.loc[list(zip(points["method"], points["budget"], strict=True))].to_numpy()
    noise = normal @ (rows / points[["quality"]].to_numpy()).T
    return np.log(points["quality"].to_numpy()) + np.vstack([np.zeros(len(points)), noise])


def _speedups(baseline: pd.DataFrame, morse: pd.DataFrame, factor: pd.DataFrame, clock: str) -> tuple[np.ndarray, np.ndarray]:
    """One clock's speedups of the P Morse points of one curve, (1 + DRAWS, P), the estimates first; and their censoring, (P,)."""
    rng = np.random.default_rng(0)  # anew for each curve and clock, so that no curve's interval depends on another's
    normal = rng.standard_normal((DRAWS, factor.shape[1]))
    if np.isfinite(degrees := degrees_of_freedom(factor)):  # Student's t: a variance from few groups is uncertain itself
        normal *= np.sqrt(degrees / rng.chisquare(degrees, (DRAWS, 1)))
    baseline = baseline.sort_values(clock)
    curves, targets = _log_draws(baseline, factor, normal), _log_draws(morse, factor, normal)
    log_cost, censored = _invert(np.log(baseline[clock].to_numpy()), curves[:, None, :], targets)
    return np.exp(log_cost - np.log(morse[clock].to_numpy())), censored[0]


def _differences(baseline: pd.DataFrame, morse: pd.DataFrame, factor: pd.DataFrame) -> pd.DataFrame:
    """Morse's points beside the baseline's of the same budget (NaN where it has none), with the difference in quality."""
    other = baseline.set_index("budget")[["quality", "quality_se", "lsd"]].add_prefix("baseline_")
    table = morse.join(other, on="budget")
    table["difference"] = table["quality"] - table["baseline_quality"]
    of_baseline, of_morse = (factor.xs(method).reindex(table["budget"]).to_numpy() for method in ("baseline", "morse"))
    table["difference_se"] = np.linalg.norm(of_morse - of_baseline, axis=1)
    return table


@dataclass(frozen=True)
class _Curve:
    """One curve's points that have logarithms, baseline's and Morse's, with the factor of their errors, each clock's speedups and
    censoring; and all points of the baseline."""

    whole_baseline: pd.DataFrame
    baseline: pd.DataFrame
    morse: pd.DataFrame
    factor: pd.DataFrame
    clocks: dict[str, tuple[np.ndarray, np.ndarray]]


def _curves(runs: pd.DataFrame, jackknife: pd.DataFrame | None) -> Iterator[_Curve]:
    """The curves that have points of both methods."""
    for key, curve in runs.groupby(CURVE):
        methods = set(curve["method"])
        if "morse" in methods and "baseline" not in methods:
            raise ValueError(f"{' '.join(key)}: Morse runs without a baseline have no speedup")
        sound = curve[curve.groupby(POINT)["quality"].transform("mean") > 0]
        if sound["method"].nunique() < 2:
            continue
        points = average_seeds(sound)
        baseline, morse = (points[points["method"] == method].reset_index(drop=True) for method in ("baseline", "morse"))
        factor = error_factor(sound, jackknife)
        clocks = list(CLOCKS) if sound["device"].nunique() == 1 else ["lsd"]
        speedups = {clock: _speedups(baseline, morse, factor, clock) for clock in clocks}
        yield _Curve(average_seeds(curve[curve["method"] == "baseline"]), baseline, morse, factor, speedups)


def speedup_table(runs: pd.DataFrame, jackknife: pd.DataFrame | None = None, tolerance: float = 0.05) -> pd.DataFrame:
    """Morse's speedup at equal quality at each of its points, on both clocks: columns :data:`SPEEDUP_COLUMNS`.

    ``speedup = cost of the baseline at Morse's quality / Morse's cost`` (:func:`equal_quality_cost` on the averages over
    seeds); the columns with ``wall`` take seconds per image as cost, the others LSD. A censored speedup is a bound: the true
    one is larger ("above") or smaller ("below"). The intervals are the 2.5 and 97.5 percentiles of 2000 seeded draws of both
    curves in log quality, Student's t with the errors and correlations of :func:`morse.results.jackknife.error_factor`. Draws that leave the
    range of the baseline count with the edge's value, and costs are taken as exact. They are of one Dash and one Dot: another training
    seed would move both curves, by how much is not measured here.

    ``difference`` is Morse's quality less the baseline's at the same budget (below 0: Morse is better), its error paired like the
    intervals. ``ceiling`` is what a perfect Dot would reach: it gives Dash's own estimates, so a run is the baseline's with as many
    calls, and costs Morse's LSD. ``saturated`` tells budgets at which the baseline's curve is flat (:func:`saturation` with
    ``tolerance``). The wall-clock's columns are empty where the runs of a curve come from different devices.

    Estimates without bias, such as KID, may be zero or negative where a run is as good as the data; logarithms have no place for points
    whose mean over the seeds is. They are left out: a Morse point so does not count, and without a baseline's best points speedups are
    bounds where they would not be. Whether a curve is flat is told by all its points.

    Args:
        runs: the table of :func:`morse.results.runs.runs_table`.
        jackknife: that of :func:`morse.results.jackknife.jackknife_table`; None: errors as if the runs shared nothing, too wide.

    Raises:
        ValueError: if there are Morse runs without any baseline run to compare with.
    """
    tables = []
    for curve in _curves(runs, jackknife):
        columns = {"ceiling": curve.morse["calls"] / curve.morse["lsd"]}
        columns["saturated"] = curve.morse["budget"] >= saturation(curve.whole_baseline, tolerance)
        for clock, (draws, censored) in curve.clocks.items():
            name = f"speedup{CLOCKS[clock]}"
            low, high = np.percentile(draws[1:], INTERVAL, axis=0)
            columns |= {name: draws[0], f"{name}_low": low, f"{name}_high": high, f"censored{CLOCKS[clock]}": censored}
        tables.append(_differences(curve.baseline, curve.morse, curve.factor).assign(**columns).reindex(columns=SPEEDUP_COLUMNS))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=SPEEDUP_COLUMNS)


def speedup_draws(runs: pd.DataFrame, jackknife: pd.DataFrame | None = None) -> dict[str, np.ndarray]:
    """The draws behind the intervals of :func:`speedup_table`, for the intervals of means.

    Returns:
        Clock -> (DRAWS, rows of the table); NaN where the clock has no speedup.
    """
    found: dict[str, list[np.ndarray]] = {clock: [] for clock in CLOCKS}
    for curve in _curves(runs, jackknife):
        for clock, columns in found.items():
            columns.append(curve.clocks[clock][0][1:] if clock in curve.clocks else np.full((DRAWS, len(curve.morse)), np.nan))
    return {clock: np.hstack(columns) if columns else np.empty((DRAWS, 0)) for clock, columns in found.items()}


def speedup_summary(
    speedups: pd.DataFrame, max_quality: float | None = None, draws: Mapping[str, np.ndarray] | None = None
) -> pd.DataFrame:
    """Mean speedups over the budgets of each (model, task, sampler), on both clocks.

    ``geometric_mean`` is ours, with its 95 % interval where ``draws`` are given; ``arithmetic_mean`` is the paper's. Points censored
    "above" count with their bound, so the mean is a lower bound too (``lower_bound``); points censored "below" do not count
    (``excluded``), which flatters Morse: show their number beside the mean. Rows differ in their ``band``: "all" has every point,
    "before saturation" those of budgets at which the baseline's curve still falls (none where it never does), and with ``max_quality``
    a third those of that quality or better. Columns with ``_wall`` are of the wall-clock. The interval of a lower bound is that of the
    bound.

    Args:
        draws: those of :func:`speedup_draws`, made of the same runs as the table.
    """
    bands = {"all": lambda curve: curve["quality"].notna(), BEFORE_SATURATION: lambda curve: ~curve["saturated"].astype(bool)}
    if max_quality is not None:
        bands[f"quality <= {max_quality:g}"] = lambda curve: curve["quality"] <= max_quality
    speedups = speedups.reset_index(drop=True)
    rows = []
    for key, curve in speedups.groupby([*CURVE, "scale", "metric"]):
        for band, chosen in bands.items():
            inside = curve[chosen(curve)]
            row = {**dict(zip([*CURVE, "scale", "metric"], key, strict=True)), "band": band}
            for clock, suffix in CLOCKS.items():
                counted = inside[(inside[f"censored{suffix}"] != "below") & inside[f"speedup{suffix}"].notna()]
                values = counted[f"speedup{suffix}"].astype(float)
                low, high = (np.nan, np.nan)
                if draws is not None and len(values):
                    means = np.exp(np.log(draws[clock][:, counted.index]).mean(axis=1))
                    low, high = np.percentile(means, INTERVAL)
                row |= {
                    f"points{suffix}": len(values),
                    f"excluded{suffix}": int((inside[f"censored{suffix}"] == "below").sum()),
                    f"geometric_mean{suffix}": np.exp(np.log(values).mean()),
                    f"geometric_mean_low{suffix}": low,
                    f"geometric_mean_high{suffix}": high,
                    f"arithmetic_mean{suffix}": values.mean(),
                    f"lower_bound{suffix}": bool((counted[f"censored{suffix}"] == "above").any()),
                }
            rows.append(row)
    return pd.DataFrame(rows, columns=SUMMARY_COLUMNS)
