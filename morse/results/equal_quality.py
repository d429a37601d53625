"""The definition of a speedup at equal quality: the cost at which a curve reaches a quality."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class EqualQuality:
    """The baseline's cost at a quality.

    Attributes:
        censored: "above", "below" or empty (see :func:`equal_quality_cost`).
    """

    cost: float
    censored: str


def invert(log_cost: np.ndarray, log_quality: np.ndarray, log_target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The log cost at which curves reach a target quality, and its censoring.

    Args:
        log_cost: (P,) or (..., P), ascending.
        log_quality: (..., P).
        log_target: (...).

    Returns:
        Log cost (...) and censoring (...), as :func:`equal_quality_cost` defines them.
    """
    best = np.minimum.accumulate(log_quality, axis=-1)
    reached = best <= log_target[..., None]
    # If no point reaches the target, argmin finds the first point of the best quality.
    after = np.where(reached.any(-1), reached.argmax(-1), best.argmin(-1))
    before = np.maximum(after - 1, 0)
    costs, best = np.broadcast_to(log_cost, reached.shape), np.broadcast_to(best, reached.shape)
    (dear, lower), (cheap, upper) = (
        [np.take_along_axis(values, index[..., None], -1)[..., 0] for values in (costs, best)]
        for index in (after, before)
    )
    drop = upper - lower
    weight = np.clip(np.divide(upper - log_target, drop, out=np.ones_like(drop), where=drop > 0), 0.0, 1.0)
    censored = np.select([log_target < best[..., -1], log_target > best[..., 0]], ["above", "below"], "")
    return (1.0 - weight) * cheap + weight * dear, censored


def equal_quality_cost(cost: Sequence[float], quality: Sequence[float], target: float) -> EqualQuality:
    """The cost at which the baseline's curve reaches the quality ``target`` (lower is better).

    The curve is the running minimum of quality from small to large cost: the best quality to be had
    for at most that cost. So curves that are not monotone are defined too. Between points it is
    linear in log cost and log quality. Outside of the measured range the cost is the edge's, and
    ``censored`` says so:

    * "above": the target is better than every baseline point. The cost is that at which the best
      quality was first reached. This is the smallest lower bound, so more budgets without an
      improvement do not change it.
    * "below": the target is worse than the cheapest baseline point. The cost is that point's, an
      upper bound.

    Args:
        cost: (P,) positive costs of the baseline's points, in any order and unit.
        quality: (P,) positive qualities of the same points.
        target: the quality to reach.
    """
    order = np.argsort(cost, kind="stable")
    log_cost, log_quality = (np.log(np.asarray(values, dtype=float))[order] for values in (cost, quality))
    log_at, censored = invert(log_cost, log_quality, np.log(np.asarray(target, dtype=float)))
    return EqualQuality(float(np.exp(log_at)), str(censored))


def saturation(baseline: pd.DataFrame, tolerance: float) -> float:
    """The budget from which on a baseline's curve is flat.

    It is the first whose quality is within ``tolerance`` of the curve's best. On the flat part,
    noise decides at which cost a quality is reached. A speedup read off there says nothing.
    Infinite if only the last point is within tolerance: the curve is still falling. For an unbiased
    metric whose best value is <= 0, every point <= 0 counts as saturated.

    Args:
        baseline: one curve's points, with ``budget`` and ``quality``.
        tolerance: relative, such as 0.05.
    """
    points = baseline.sort_values("budget")
    near = points.loc[points["quality"] <= max((1.0 + tolerance) * points["quality"].min(), 0.0), "budget"].to_numpy()
    return float(near[0]) if len(near) and near[0] < points["budget"].iloc[-1] else np.inf
