r""" "Lossless" as a statistical test: to which budgets of the baseline is Morse shown to be no worse?

Morse at a point with quality m (a distance: lower is better) is *not inferior* to the baseline of quality q, within the margin
:math:`\delta` that was set before the run, if

.. math:: m - (1 + \delta) q < 0

holds with 95 % confidence, one-sided. The error of the left side is the jackknife's, in which both start from the same noise
(:mod:`morse.jackknife`). The baseline's budgets are tried from small to large and the first failure ends it (a fixed sequence of
tests, which keeps the error of all together at 5 %; Maurer, Hothorn and Lehmacher 1995). A point is a lossless acceleration where the
largest budget passed costs the baseline more than the point costs Morse.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import ndtri

from morse.jackknife import error_factor
from morse.results import CURVE

CONFIDENCE = 0.95


def not_inferior(morse: float, baseline: float, of_morse: np.ndarray, of_baseline: np.ndarray, margin: float) -> bool:
    """Whether Morse's quality is shown to be no worse than the baseline's, within ``margin`` of the latter.

    Args:
        morse, baseline: the two qualities.
        of_morse, of_baseline: their rows of :func:`morse.jackknife.error_factor`, which share their columns.
        margin: relative, such as 0.013.
    """
    excess = morse - (1.0 + margin) * baseline
    error = np.linalg.norm(of_morse - (1.0 + margin) * of_baseline)
    return bool(excess + ndtri(CONFIDENCE) * error < 0.0)


def with_lossless(speedups: pd.DataFrame, runs: pd.DataFrame, jackknife: pd.DataFrame | None, margin: float) -> pd.DataFrame:
    """The table of speedups with two columns more.

    ``lossless_budget`` is the largest budget of the baseline that Morse's point is shown to be no worse than (NaN: none), and
    ``lossless_speedup`` that budget over Morse's LSD: above 1 the point is a lossless acceleration by that factor.

    Args:
        speedups: the table of :func:`morse.speedup.speedup_table`.
        runs, jackknife: the tables that it was made of.
        margin: see :func:`not_inferior`.
    """
    budgets = pd.Series(np.nan, index=speedups.index)
    for key, points in speedups.groupby(CURVE):
        curve = runs[(runs[CURVE] == list(key)).all(axis=1)]
        factor, quality = error_factor(curve, jackknife), curve.groupby(["method", "budget"])["quality"].mean()
        for index, budget in points["budget"].items():
            budgets[index] = _largest_budget(quality, factor, budget, margin)
    return speedups.assign(lossless_budget=budgets, lossless_speedup=budgets / speedups["lsd"].astype(float))


def _largest_budget(quality: pd.Series, factor: pd.DataFrame, budget: int, margin: float) -> float:
    """Of the baseline, tried from small to large, before the first that Morse at ``budget`` is not shown to reach."""
    passed, morse = np.nan, ("morse", budget)
    for other in sorted(quality["baseline"].index):
        rows = factor.loc[[morse, ("baseline", other)]].to_numpy()
        if not not_inferior(quality[morse], quality["baseline", other], *rows, margin):
            break
        passed = float(other)
    return passed
