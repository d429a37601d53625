r""" "Lossless" as a statistical test: to which budgets of the baseline is Morse shown to be no worse?

Morse at a point with quality m (a distance: lower is better) is *not inferior* to the baseline of quality q, within the margin
:math:`\delta` that was set before the run, if

.. math:: m - (1 + \delta) q < 0

holds with 95 % confidence, one-sided. The error of the left side is the jackknife's, in which both start from the same noise
(:mod:`morse.results.jackknife`); it is that of sampling with this Dash and this Dot, not of training another. The baseline's budgets are tried
from small to large and the first failure ends it (a fixed sequence of tests, which keeps the error of all budgets at 5 % for one point of
Morse; Maurer, Hothorn and Lehmacher 1995). A point is a lossless acceleration where the largest budget passed costs the baseline more
than the point costs Morse.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import ndtri, stdtrit

from morse.results.jackknife import degrees_of_freedom, error_factor
from morse.results.runs import CURVE, average_seeds

CONFIDENCE = 0.95


def not_inferior(
    morse: float, baseline: float, of_morse: np.ndarray, of_baseline: np.ndarray, margin: float, degrees: float = np.inf
) -> bool:
    """Whether Morse's quality is shown to be no worse than the baseline's, within ``margin`` of the latter.

    Args:
        morse, baseline: the two qualities.
        of_morse, of_baseline: their rows of :func:`morse.results.jackknife.error_factor`, which share their columns.
        margin: relative, such as 0.013.
        degrees: of freedom, of those errors (:func:`morse.results.jackknife.degrees_of_freedom`).
    """
    excess = morse - (1.0 + margin) * baseline
    error = np.linalg.norm(of_morse - (1.0 + margin) * of_baseline)
    quantile = stdtrit(degrees, CONFIDENCE) if np.isfinite(degrees) else ndtri(CONFIDENCE)
    return bool(excess + quantile * error < 0.0)


def with_lossless(speedups: pd.DataFrame, runs: pd.DataFrame, jackknife: pd.DataFrame | None, margin: float) -> pd.DataFrame:
    """The table of speedups with four columns more.

    ``lossless_budget`` is the largest budget of the baseline that Morse's point is shown to be no worse than (NaN: none), within
    ``margin``; ``lossless_speedup`` is the baseline's LSD there over Morse's, and ``lossless_speedup_wall`` the same of seconds per
    image (NaN where the runs are of several devices). Where they are above 1 the point is a lossless acceleration by that clock.

    Args:
        speedups: the table of :func:`morse.results.speedup.speedup_table`.
        runs, jackknife: the tables that it was made of.
        margin: see :func:`not_inferior`.
    """
    added = pd.DataFrame(np.nan, index=speedups.index, columns=["lossless_budget", "lossless_speedup", "lossless_speedup_wall"])
    for key, rows in speedups.groupby(CURVE):
        curve = runs[(runs[CURVE] == list(key)).all(axis=1)]
        points, factor = average_seeds(curve).set_index(["method", "budget"]), error_factor(curve, jackknife)
        one_device = curve["device"].nunique() == 1
        for index, budget in rows["budget"].items():
            other = _largest_budget(points["quality"], factor, budget, margin)
            if other is not None:
                added.loc[index] = other, *_ratios(points, budget, other, one_device)
    return speedups.assign(**added, margin=margin)


def _ratios(points: pd.DataFrame, budget: int, other: int, one_device: bool) -> tuple[float, float]:
    """The baseline's costs at ``other`` over Morse's at ``budget``, by LSD and by wall-clock."""
    baseline, morse = points.loc[("baseline", other)], points.loc[("morse", budget)]
    wall = baseline["seconds_per_image"] / morse["seconds_per_image"] if one_device else np.nan
    return baseline["lsd"] / morse["lsd"], wall


def _largest_budget(quality: pd.Series, factor: pd.DataFrame, budget: int, margin: float) -> int | None:
    """Of the baseline, tried from small to large, before the first that Morse at ``budget`` is not shown to reach."""
    passed, morse, degrees = None, ("morse", budget), degrees_of_freedom(factor)
    for other in sorted(quality["baseline"].index):
        rows = factor.loc[[morse, ("baseline", other)]].to_numpy()
        if not not_inferior(quality[morse], quality["baseline", other], *rows, margin, degrees):
            break
        passed = other
    return passed
