"""The definition of a speedup at equal quality: the cost at which a curve reaches a quality."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class EqualQuality:
    """The baseline's cost at a quality; ``censored`` is "above", "below" or empty (see :func:`equal_quality_cost`)."""

    cost: float
    censored: str


def invert(log_cost: np.ndarray, log_quality: np.ndarray, log_target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
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
    log_at, censored = invert(log_cost, log_quality, np.log(np.asarray(target, dtype=float)))
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
