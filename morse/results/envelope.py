"""The best of several quality-cost curves at each budget, whatever the sampler."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from morse.experiments.axes import BEST
from morse.methods import BASELINE, MORSE
from morse.results.equal_quality import invert
from morse.results.runs import CURVE, average_seeds


def one_guidance(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs of one curve for each (model, task, sampler): of several guidance scales, the best
    (:mod:`morse.results.best_guidance`)."""
    several = runs.groupby(CURVE[:3])["guidance"].transform("nunique") > 1
    return runs[~several | (runs["guidance"] == BEST)]


def best_points(runs: pd.DataFrame) -> pd.DataFrame:
    """The points of least quality of any sampler, for each (model, task) and budget.

    There are two of each, told apart by the column ``side``: of all methods that are not Morse,
    with the baseline's name there, and of Morse. The other columns are those of
    :func:`morse.results.runs.average_seeds`.

    Args:
        runs: the table of :func:`morse.results.runs.runs_table`.
    """
    points = average_seeds(one_guidance(runs))
    points["side"] = np.where(points["method"] == MORSE, MORSE, BASELINE)
    best = points.sort_values("quality", kind="stable").drop_duplicates(["model", "task", "side", "budget"])
    return best.sort_values(["model", "task", "side", "budget"], ignore_index=True)


@dataclass(frozen=True)
class Envelope:
    """The best of several curves at each of B budgets: of the estimates, then of each draw.

    Attributes:
        budgets: (B,) nominal LSD, ascending.
        chosen: (1 + DRAWS, B), the rows of the points that are best.
        log_quality: (1 + DRAWS, B) of these.
    """

    budgets: np.ndarray
    chosen: np.ndarray
    log_quality: np.ndarray


def envelope(points: pd.DataFrame, log_quality: np.ndarray, among: np.ndarray) -> Envelope:
    """The envelope of those points for which ``among`` (P,) holds."""
    own = np.flatnonzero(among)
    budgets = points["budget"].to_numpy()[own]
    groups = [own[budgets == budget] for budget in np.unique(budgets)]
    chosen = np.stack([group[log_quality[:, group].argmin(axis=1)] for group in groups], axis=1)
    return Envelope(np.unique(budgets), chosen, np.take_along_axis(log_quality, chosen, axis=1))


def speedups_over(best: Envelope, method: Envelope, log_cost: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Speedups (1 + DRAWS, budgets of the method), and the censoring of the estimates.

    Args:
        log_cost: (P,) of all points.
    """
    cost = log_cost[best.chosen]
    order = cost.argsort(axis=1, kind="stable")  # a rival may cost other than its nominal budget
    cost, quality = (np.take_along_axis(values, order, axis=1)[:, None] for values in (cost, best.log_quality))
    reached, censored = invert(cost, quality, method.log_quality)
    return np.exp(reached - log_cost[method.chosen]), censored[0]
