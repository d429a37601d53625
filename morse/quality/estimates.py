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
    """An estimate whose standard error is from a jackknife.

    Attributes:
        without_groups: the G values without each of the G groups of images.
    """

    without_groups: tuple[float, ...]


def jackknife_error(*without: np.ndarray) -> float:
    """The standard error of a jackknife (:func:`morse.quality.frechet.frechet_with_error`).

    Args:
        without: the values without each group, an array for each independent set of groups. The
            squared errors of several sets are added.
    """
    return float(np.sqrt(sum((len(v) - 1) / len(v) * np.square(v - v.mean()).sum() for v in without)))


def interval_over_seeds(values: Sequence[float]) -> tuple[float, float]:
    """Student's 95 % interval for the mean of a metric over R runs of different seeds.

    It is mean -+ t s / sqrt(R).

    Raises:
        ValueError: for fewer than two values, or values that are not finite.
    """
    from scipy.special import stdtrit  # here: jobs that only make features need not load it

    if len(values) < 2 or not np.isfinite(values).all():
        raise ValueError(f"an interval over seeds needs two finite values or more, not {list(values)}")
    half = stdtrit(len(values) - 1, 0.975) * np.std(values, ddof=1) / np.sqrt(len(values))
    return float(np.mean(values) - half), float(np.mean(values) + half)
