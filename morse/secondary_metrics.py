"""What a record holds beside its Fréchet distance: names of the configuration -> the metrics of :mod:`morse.feature_metrics`."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from morse.feature_files import Features
from morse.feature_metrics import density_coverage, frechet_infinity, images_for_infinity, kid, precision_recall
from morse.metrics import Estimate
from morse.statistics import GROUPS, Statistics

SPLITS_SEED = 0
"""Of the parts that FID-infinity cuts the images into: the same for all runs, so that runs from one noise stay paired."""

Found = dict[str, Estimate | float]
"""Column of the tables -> the value with its standard error, or alone where one run gives none."""


def _kid(features: np.ndarray, reference: np.ndarray, sums: Statistics) -> Found:
    return {"kid": kid(features, reference)}


def _frechet_infinity(features: np.ndarray, reference: np.ndarray, sums: Statistics) -> Found:
    return {"frechet_infinity": frechet_infinity(features, sums.mean, sums.covariance, SPLITS_SEED)}


def _precision_recall(features: np.ndarray, reference: np.ndarray, sums: Statistics) -> Found:
    return precision_recall(features, reference)._asdict()


def _density_coverage(features: np.ndarray, reference: np.ndarray, sums: Statistics) -> Found:
    return density_coverage(features, reference)._asdict()


METRICS: dict[str, Callable[[np.ndarray, np.ndarray, Statistics], Found]] = {
    "kid": _kid,
    "frechet_infinity": _frechet_infinity,
    "precision_recall": _precision_recall,
    "density_coverage": _density_coverage,
}
"""Name -> (features (n, D), the reference's (m, D), its sums) -> what it finds."""


def least_images(name: str, dim: int) -> int:
    """How many images the metric of this name needs with features of ``dim`` dimensions."""
    return images_for_infinity(dim) if name == "frechet_infinity" else GROUPS


def secondary_metrics(
    names: Iterable[str], generated: Features, reference: Features, sums: Statistics
) -> dict[str, dict[str, float | None]]:
    """The metrics of these names: column -> ``value`` and ``standard_error`` (None where one run gives none).

    Args:
        generated, reference: features of a run and of the data set.
        sums: the statistics of the same data set.

    Raises:
        ValueError: if the three are not by one extractor, or the reference's not of one data set.
    """
    identities = {generated.extractor, reference.extractor, sums.extractor}
    if len(identities) > 1 or reference.data != sums.data:
        raise ValueError(
            f"features of {generated.data}, {reference.data} and statistics of {sums.data} do not go together; make them again"
        )
    made: dict[str, dict[str, float | None]] = {}
    for name in names:
        for column, found in METRICS[name](generated.values, reference.values, sums).items():
            value, error = (found.value, found.standard_error) if isinstance(found, Estimate) else (found, None)
            made[column] = {"value": value, "standard_error": error}
    return made
