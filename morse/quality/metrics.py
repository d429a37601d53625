"""What a record holds beside its Fréchet distance: names of the configuration -> the metrics of :mod:`morse.quality.kid`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from morse.quality.estimates import Estimate, Jackknife
from morse.quality.extractors import LABELS
from morse.quality.features import Features
from morse.quality.frechet import frechet_infinity, frechet_with_error, images_for_infinity
from morse.quality.kid import kid
from morse.quality.precision_recall import density_coverage, precision_recall
from morse.quality.statistics import GROUPS, Statistics

SPLITS_SEED = 0
"""Of the parts that FID-infinity cuts the images into: the same for all runs, so that runs from one noise stay paired."""

Found = dict[str, Estimate | float]
"""Column of the tables -> the value with its standard error, or alone where one run gives none."""
Described = dict[str, dict[str, Any]]
"""Column of the tables -> what a file says of it."""


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

SECOND_OPINION = "second_opinion"
"""The name of the metric that features of another extractor give (:func:`second_opinion`)."""


def least_images(name: str, dim: int) -> int:
    """How many images the metric of this name needs with features of ``dim`` dimensions, beside two in each group."""
    return {"frechet_infinity": images_for_infinity(dim), SECOND_OPINION: 0}.get(name, GROUPS)


def secondary_metrics(names: Iterable[str], generated: Features, reference: Features, sums: Statistics) -> Described:
    """The metrics of these names but ``SECOND_OPINION``: column -> what :func:`_described` says of its value.

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
    made: Described = {}
    for name in names:
        if name != SECOND_OPINION:
            for column, found in METRICS[name](generated.values, reference.values, sums).items():
                made[column] = _described(found)
    return made


def second_opinion(generated: Features, reference: Statistics, groups: int) -> Described:
    """The Fréchet distance on the features of another extractor than the one that counts, with its label.

    Args:
        generated: that extractor's features of a run.
        reference: its statistics of the data set.
        groups: of the jackknife.

    Raises:
        ValueError: if the two are not by one extractor.
    """
    statistics = Statistics.empty(generated.extractor, generated.data, reference.image_shape, generated.values.shape[1], groups)
    statistics.add(generated.values, 0)
    identity = {"label": LABELS[generated.extractor.split("/")[0]], "extractor": generated.extractor, "reference": reference.data}
    return {SECOND_OPINION: _described(frechet_with_error(statistics, reference)) | identity}


def _described(found: Estimate | float) -> dict[str, Any]:
    """``value`` and ``standard_error``, and ``without_groups`` of images; None where one run gives none."""
    if not isinstance(found, Estimate):
        return {"value": found, "standard_error": None, "without_groups": None}
    without = list(found.without_groups) if isinstance(found, Jackknife) else None
    return {"value": found.value, "standard_error": found.standard_error, "without_groups": without}
