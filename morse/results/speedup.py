"""Morse's speedup at equal quality: the cost at which the baseline's quality-cost curve reaches Morse's quality, over Morse's cost.

Costs are in LSD and in seconds of wall-clock (:mod:`morse.results.runs`). Both curves' errors, correlated as the noise that their images
share makes them (:mod:`morse.results.jackknife`), are carried into intervals.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from morse.results.equal_quality import invert, saturation
from morse.results.jackknife import degrees_of_freedom, error_factor
from morse.results.runs import CURVE, POINT, average_seeds

CLOCKS = {"lsd": "", "seconds_per_image": "_wall"}
"""Column of the cost -> suffix of its columns in the tables of speedups."""
DRAWS = 2000
INTERVAL = (2.5, 97.5)


SPEEDUP_COLUMNS = [
    *CURVE, "budget", "saturated", "quality", "baseline_quality", "difference", "difference_se", "lsd", "baseline_lsd", "ceiling",
    "speedup", "speedup_low", "speedup_high", "censored",
    "speedup_wall", "speedup_wall_low", "speedup_wall_high", "censored_wall",
    "scale", "metric",
]  # fmt: skip


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
    log_cost, censored = invert(np.log(baseline[clock].to_numpy()), curves[:, None, :], targets)
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
