r"""Lossless acceleration as a statistical test: at which budgets of the baseline is Morse no worse?

Morse at a point has quality m (a distance: lower is better), the baseline has quality q. The margin
:math:`\delta` is set before the run. Morse is *not inferior* to the baseline if

.. math:: m - (1 + \delta) q < 0

holds with 95 % confidence, one-sided. The error of the left side is the jackknife's, in which both
start from the same noise (:mod:`morse.results.jackknife`). It is the error of sampling with this
Dash and this Dot, not of training others.

The baseline's budgets are tried from small to large, until the first failure. Such a fixed sequence
of tests keeps the error over all budgets at 5 % for one point of Morse (Maurer, Hothorn and
Lehmacher 1995). A point is a lossless acceleration if the largest budget passed costs the baseline
more than the point costs Morse.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import ndtri, stdtrit

from morse.methods import BASELINE
from morse.results.jackknife import degrees_of_freedom, error_factor
from morse.results.runs import CURVE, average_seeds

CONFIDENCE = 0.95


def not_inferior(
    morse: float, baseline: float, of_morse: np.ndarray, of_baseline: np.ndarray, margin: float, degrees: float = np.inf
) -> bool:
    """Whether Morse's quality is shown to be no worse than the baseline's, within a margin.

    Args:
        morse, baseline: the two qualities.
        of_morse, of_baseline: their rows of :func:`morse.results.jackknife.error_factor`, which
            have the same columns.
        margin: a fraction of the baseline's quality, such as 0.013.
        degrees: of freedom of those errors (:func:`morse.results.jackknife.degrees_of_freedom`).
    """
    excess = morse - (1.0 + margin) * baseline
    error = np.linalg.norm(of_morse - (1.0 + margin) * of_baseline)
    quantile = stdtrit(degrees, CONFIDENCE) if np.isfinite(degrees) else ndtri(CONFIDENCE)
    return bool(excess + quantile * error < 0.0)


def with_lossless(
    speedups: pd.DataFrame, runs: pd.DataFrame, jackknife: pd.DataFrame | None, margin: float
) -> pd.DataFrame:
    """The table of speedups with four more columns.

    * ``lossless_budget``: the largest budget of the baseline that the point is shown to be no worse
      than, within ``margin``; NaN if there is none.
    * ``lossless_speedup``: the baseline's LSD at that budget over the point's.
    * ``lossless_speedup_wall``: the same in seconds per image; NaN if the runs are from several
      devices.
    * ``margin``: that of the test.

    A point whose lossless speedup is above 1 is a lossless acceleration by that clock.

    Args:
        speedups: the table of :func:`morse.results.speedup.speedup_table`.
        runs, jackknife: the tables that it was made of.
        margin: see :func:`not_inferior`.
    """
    added = pd.DataFrame(
        np.nan, index=speedups.index, columns=["lossless_budget", "lossless_speedup", "lossless_speedup_wall"]
    )
    for (*key, method), rows in speedups.groupby([*CURVE, "method"]):
        curve = runs[(runs[CURVE] == key).all(axis=1) & runs["method"].isin([BASELINE, method])]
        points, factor = average_seeds(curve).set_index(["method", "budget"]), error_factor(curve, jackknife)
        one_device = curve["device"].nunique() == 1
        for index, budget in rows["budget"].items():
            other = _largest_budget(points["quality"], factor, (method, budget), margin)
            if other is not None:
                added.loc[index] = other, *_ratios(points, (method, budget), other, one_device)
    return speedups.assign(**added, margin=margin)


def _ratios(points: pd.DataFrame, point: tuple[str, int], other: int, one_device: bool) -> tuple[float, float]:
    """The baseline's costs at budget ``other`` over the point's, by LSD and by wall-clock."""
    baseline, method = points.loc[(BASELINE, other)], points.loc[point]
    wall = baseline["seconds_per_image"] / method["seconds_per_image"] if one_device else np.nan
    return baseline["lsd"] / method["lsd"], wall


def _largest_budget(quality: pd.Series, factor: pd.DataFrame, point: tuple[str, int], margin: float) -> int | None:
    """The baseline's largest budget that the point is shown to be no worse than; None if none is.

    Budgets are tried from small to large, until the first failure.
    """
    passed, degrees = None, degrees_of_freedom(factor)
    for other in sorted(quality[BASELINE].index):
        rows = factor.loc[[point, (BASELINE, other)]].to_numpy()
        if not not_inferior(quality[point], quality[BASELINE, other], *rows, margin, degrees):
            break
        passed = other
    return passed
