"""speedup.csv: each method's speedup at equal quality over the baseline.

It is the cost at which the baseline's quality-cost curve reaches the method's quality, over the
method's cost (:mod:`morse.results.equal_quality`). Costs are in LSD and in seconds of wall-clock
(:mod:`morse.results.runs`). Intervals include the errors of both curves. These errors are
correlated, as the images share their noise (:mod:`morse.results.jackknife`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from morse.experiments.axes import named
from morse.methods import BASELINE
from morse.results.equal_quality import invert, saturation
from morse.results.jackknife import degrees_of_freedom, error_factor
from morse.results.runs import CLOCKS, CURVE, POINT, average_seeds

DRAWS = 2000
INTERVAL = (2.5, 97.5)

SPEEDUP_COLUMNS = [
    *POINT, "saturated", "quality", "baseline_quality", "difference", "difference_se", "lsd", "baseline_lsd", "ceiling",
    "speedup", "speedup_low", "speedup_high", "censored",
    "speedup_wall", "speedup_wall_low", "speedup_wall_high", "censored_wall",
    "scale", "metric",
]  # fmt: skip


def normal_draws(factor: pd.DataFrame) -> np.ndarray:
    """The draws of all intervals, (DRAWS, columns of the factor), the same for equal factors.

    They are seeded again each time, so that no curve's interval depends on another's.
    """
    rng = np.random.default_rng(0)
    normal = rng.standard_normal((DRAWS, factor.shape[1]))
    if np.isfinite(degrees := degrees_of_freedom(factor)):
        # Student's t: a variance from few groups is uncertain itself.
        normal *= np.sqrt(degrees / rng.chisquare(degrees, (DRAWS, 1)))
    return normal


def log_draws(points: pd.DataFrame, factor: pd.DataFrame, normal: np.ndarray) -> np.ndarray:
    """(1 + DRAWS, P) log qualities of points: the estimates, then draws by the factor of errors."""
    rows = factor.loc[list(zip(points["method"], points["budget"], strict=True))].to_numpy()
    noise = normal @ (rows / points[["quality"]].to_numpy()).T
    return np.log(points["quality"].to_numpy()) + np.vstack([np.zeros(len(points)), noise])


def _speedups(
    baseline: pd.DataFrame, method: pd.DataFrame, factor: pd.DataFrame, clock: str
) -> tuple[np.ndarray, np.ndarray]:
    """Speedups and censoring of a method's P points, by one clock.

    Returns:
        Speedups (1 + DRAWS, P), the estimates first, and the estimates' censoring (P,).
    """
    normal, baseline = normal_draws(factor), baseline.sort_values(clock)
    curves, targets = log_draws(baseline, factor, normal), log_draws(method, factor, normal)
    log_cost, censored = invert(np.log(baseline[clock].to_numpy()), curves[:, None, :], targets)
    return np.exp(log_cost - np.log(method[clock].to_numpy())), censored[0]


def _differences(baseline: pd.DataFrame, method: pd.DataFrame, factor: pd.DataFrame) -> pd.DataFrame:
    """A method's points beside the baseline's of the same budget, with the difference in quality.

    The columns are NaN if the baseline lacks the budget.
    """
    other = baseline.set_index("budget")[["quality", "quality_se", "lsd"]].add_prefix("baseline_")
    table = method.join(other, on="budget")
    table["difference"] = table["quality"] - table["baseline_quality"]
    names = (BASELINE, method["method"].iloc[0])
    of_baseline, of_method = (factor.xs(name).reindex(table["budget"]).to_numpy() for name in names)
    table["difference_se"] = np.linalg.norm(of_method - of_baseline, axis=1)
    return table


@dataclass(frozen=True)
class _Curve:
    """A method's points and the baseline's, without those that have no logarithm.

    Attributes:
        whole_baseline: all points of the baseline.
        factor: of the errors of both.
        clocks: clock -> speedups and censoring of :func:`_speedups`.
    """

    whole_baseline: pd.DataFrame
    baseline: pd.DataFrame
    method: pd.DataFrame
    factor: pd.DataFrame
    clocks: dict[str, tuple[np.ndarray, np.ndarray]]


def _curves(runs: pd.DataFrame, jackknife: pd.DataFrame | None) -> Iterator[_Curve]:
    """Each method's curve with its baseline's, if both have points."""
    for _, curve in runs.groupby(CURVE):
        for name in sorted({*curve["method"]} - {BASELINE}):
            pair = curve[curve["method"].isin([BASELINE, name])]
            sound = pair[pair.groupby(POINT)["quality"].transform("mean") > 0]
            if sound["method"].nunique() < 2:
                continue
            points = average_seeds(sound)
            baseline, method = (points[points["method"] == one].reset_index(drop=True) for one in (BASELINE, name))
            factor = error_factor(sound, jackknife)
            clocks = list(CLOCKS) if sound["device"].nunique() == 1 else ["lsd"]
            speedups = {clock: _speedups(baseline, method, factor, clock) for clock in clocks}
            yield _Curve(average_seeds(pair[pair["method"] == BASELINE]), baseline, method, factor, speedups)


def without_baseline(runs: pd.DataFrame) -> str:
    """A warning if curves have no run by the baseline, and so no speedup; else the empty string."""
    curves = [named(key) for key, curve in runs.groupby(CURVE) if BASELINE not in {*curve["method"]}]
    return f"no speedup without runs by {BASELINE}: {', '.join(curves)}" if curves else ""


def speedup_table(runs: pd.DataFrame, jackknife: pd.DataFrame | None = None, tolerance: float = 0.05) -> pd.DataFrame:
    """The speedup at equal quality at each point of each method, on both clocks.

    The columns are :data:`SPEEDUP_COLUMNS`, with

    ``speedup = cost of the baseline at the method's quality / the method's cost``

    of the averages over seeds (:func:`morse.results.equal_quality.equal_quality_cost`). Columns
    with ``wall`` take seconds per image as cost, the others LSD. A censored speedup is a bound: the
    true one is larger ("above") or smaller ("below").

    Intervals are the 2.5 and 97.5 percentiles of 2000 seeded draws of both curves in log quality.
    Draws follow Student's t, with the errors and correlations of
    :func:`morse.results.jackknife.error_factor`. Draws outside of the baseline's range count with
    the edge's value. Costs are taken as exact. The intervals are of one Dash and one Dot. Another
    training seed would move both curves; by how much is not measured here.

    ``difference`` is the method's quality less the baseline's at the same budget: below 0 the
    method is better. Its error is paired as the intervals are. ``ceiling`` is what a perfect
    estimate at every call would reach: the baseline's quality with as many calls, at the method's
    cost. ``saturated`` marks budgets at which the baseline's curve is flat
    (:func:`morse.results.equal_quality.saturation`). The wall-clock's columns are empty if the runs
    of a curve come from different devices.

    Unbiased estimates, such as KID, may be zero or negative if a run is as good as the data. Points
    whose mean over the seeds is zero or negative have no logarithm and are left out. If these are
    the baseline's best points, more speedups are bounds. ``saturated`` is found with all points.

    A curve without any run by the baseline has no rows (:func:`without_baseline`).

    Args:
        runs: the table of :func:`morse.results.runs.runs_table`.
        jackknife: that of :func:`morse.results.jackknife.jackknife_table`. None: errors as if the
            runs shared nothing, which is too wide.
        tolerance: of ``saturated``.
    """
    tables = []
    for curve in _curves(runs, jackknife):
        columns = {"ceiling": curve.method["nfe"] / curve.method["lsd"]}
        columns["saturated"] = curve.method["budget"] >= saturation(curve.whole_baseline, tolerance)
        for clock, (draws, censored) in curve.clocks.items():
            name = f"speedup{CLOCKS[clock]}"
            low, high = np.percentile(draws[1:], INTERVAL, axis=0)
            columns |= {name: draws[0], f"{name}_low": low, f"{name}_high": high, f"censored{CLOCKS[clock]}": censored}
        tables.append(
            _differences(curve.baseline, curve.method, curve.factor).assign(**columns).reindex(columns=SPEEDUP_COLUMNS)
        )
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=SPEEDUP_COLUMNS)


def speedup_draws(runs: pd.DataFrame, jackknife: pd.DataFrame | None = None) -> dict[str, np.ndarray]:
    """The draws behind the intervals of :func:`speedup_table`, for the intervals of means.

    Returns:
        Clock -> (DRAWS, rows of the table); NaN where the clock has no speedup.
    """
    draws: dict[str, list[np.ndarray]] = {clock: [] for clock in CLOCKS}
    for curve in _curves(runs, jackknife):
        for clock, columns in draws.items():
            columns.append(
                curve.clocks[clock][0][1:] if clock in curve.clocks else np.full((DRAWS, len(curve.method)), np.nan)
            )
    return {clock: np.hstack(columns) if columns else np.empty((DRAWS, 0)) for clock, columns in draws.items()}
