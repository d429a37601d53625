"""A value with its standard error: from a jackknife over groups of images, or over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Estimate:
    """A value and its standard error."""

    value: float
    standard_error: float


@dataclass(frozen=True)
class Jackknife(Estimate):
    """An estimate with the values without each of the G groups of images, which its standard error comes from."""

    without_groups: tuple[float, ...]


def jackknife_error(*without: np.ndarray) -> float:
    """The standard error of :func:`frechet_with_error`'s formula from the values without each group; of several independent sets of
    groups, an array each, the root of their summed squares."""
    return float(np.sqrt(sum((len(v) - 1) / len(v) * np.square(v - v.mean()).sum() for v in without)))


def interval_over_seeds(values: Sequence[float]) -> tuple[float, float]:
    """Student's 95 % interval, mean -+ t s / sqrt(R), of the mean of a metric over R runs of other seeds.

    Raises:
        ValueError: for fewer than two values, or values that are not finite.
    """
    from scipy.special import stdtrit  # here, as jobs of features only need not load it

    if len(values) < 2 or not np.isfinite(values).all():
        raise ValueError(f"an interval over seeds needs two finite values or more, not {list(values)}")
    half = stdtrit(len(values) - 1, 0.975) * np.std(values, ddof=1) / np.sqrt(len(values))
    return float(np.mean(values) - half), float(np.mean(values) + half)
