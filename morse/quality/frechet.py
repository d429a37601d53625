r"""Fréchet distances between statistics of features, with standard errors.

The Fréchet distance of two Gaussians (Dowson and Landau 1982) is

.. math:: d^2 = |\mu_1 - \mu_2|^2 + \mathrm{tr}(C_1 + C_2 - 2 (C_1^{1/2} C_2 C_1^{1/2})^{1/2}).

On Inception's features it is FID (Heusel et al., arXiv 1706.08500). The matrix under the outer root
is symmetric and positive semidefinite. So the trace of its root is a sum of roots of eigenvalues.
No root of an asymmetric matrix is needed (scipy.linalg.sqrtm), whose imaginary parts would have to
be dropped.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from morse.quality.estimates import Jackknife, jackknife_error
from morse.quality.features import comparable
from morse.quality.statistics import GROUPS, Statistics


def frechet_distance(mean_1: np.ndarray, cov_1: np.ndarray, mean_2: np.ndarray, cov_2: np.ndarray) -> float:
    """The squared Fréchet distance d^2 of two Gaussians, called FID on Inception's features.

    Covariances may have any rank. If they are deficient, the root turns rounding errors of 1e-16
    into errors of 1e-8, relative to the traces. Eigenvalues below 2e-16 D times the largest are
    rounding errors and count as zero.

    Args:
        mean_1, mean_2: (D,).
        cov_1, cov_2: (D, D), symmetric.

    Raises:
        ValueError: for shapes that do not fit, or values that are not finite.
    """
    return distance_from(mean_1, cov_1)(mean_2, cov_2)


def distance_from(mean_1: np.ndarray, cov_1: np.ndarray) -> Callable[[np.ndarray, np.ndarray], float]:
    """The distance from one Gaussian, as a function of the other; work on the one is done once."""
    _check(mean_1, cov_1)
    root = _root(cov_1)

    def distance(mean_2: np.ndarray, cov_2: np.ndarray) -> float:
        _check(mean_2, cov_2)
        if mean_1.shape != mean_2.shape:
            raise ValueError(f"Gaussians of {len(mean_1)} and {len(mean_2)} dimensions have no distance")
        # The nonzero eigenvalues of cov_1^(1/2) cov_2 cov_1^(1/2).
        eigenvalues = np.linalg.eigvalsh(root.T @ cov_2 @ root)
        overlap = np.sqrt(eigenvalues[eigenvalues > _rounding(eigenvalues)]).sum()
        squared = np.square(mean_1 - mean_2).sum() + np.trace(cov_1) + np.trace(cov_2) - 2.0 * overlap
        return max(0.0, float(squared))

    return distance


def _root(cov: np.ndarray) -> np.ndarray:
    """(D, rank) matrix with root root^T = cov: Cholesky's, or one from eigenvectors.

    The latter is for a deficient covariance, for which Cholesky's algorithm fails.
    """
    try:
        return np.linalg.cholesky(cov)
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh(cov)
        kept = values > _rounding(values)
        return vectors[:, kept] * np.sqrt(values[kept])


def _rounding(eigenvalues: np.ndarray) -> float:
    """The size of rounding errors in the eigenvalues of a symmetric matrix."""
    return len(eigenvalues) * np.finfo(np.float64).eps * max(eigenvalues, default=0.0)


def _check(mean: np.ndarray, cov: np.ndarray) -> None:
    if mean.ndim != 1 or cov.shape != 2 * mean.shape:
        raise ValueError(f"a Gaussian has a mean (D,) and a covariance (D, D), not {mean.shape} and {cov.shape}")
    if not (np.isfinite(mean).all() and np.isfinite(cov).all()):
        raise ValueError("the mean or covariance of a Gaussian is not finite")


def frechet_with_error(generated: Statistics, reference: Statistics) -> Jackknife:
    r"""The Fréchet distance of a run to a reference, with its standard error from a jackknife.

    Let theta_g be the distance without group g of the generated images, and m the mean of the G
    values theta_g. The error of the delete-a-group jackknife is

    .. math:: \mathrm{SE}^2 = \frac{G - 1}{G} \sum_g (\theta_g - m)^2.

    It is the spread over runs of other seeds with as many images. If the generated and the
    reference distribution are nearly equal, the distance is quadratic in the errors of the moments.
    The jackknife is then too wide, by up to the root of 2.

    The reference is held fixed, as all runs share it. The distance is biased: it is too large for
    few images. The bias is left in, as in the field's FID: compare equal counts only.

    Raises:
        ValueError: if the statistics differ in extractor or image shape, or a group of the
            generated images is empty.
    """
    generated.require_alike(reference, "extractor", "image_shape")
    groups = len(generated.n)
    if groups < 2 or not generated.n.all():
        raise ValueError(
            f"statistics of {generated.data} have {np.count_nonzero(generated.n)} of {groups} groups filled; "
            "the jackknife needs all"
        )
    distance = distance_from(reference.mean, reference.covariance)
    without = np.array([distance(*generated.leave_out(group)) for group in range(groups)])
    return Jackknife(distance(generated.mean, generated.covariance), jackknife_error(without), tuple(without.tolist()))


SPLITS = 3
"""FID-infinity extrapolates from parts of n, n/2, ..., n/SPLITS images.

More parts cost more and have larger errors of order 1/n^2.
"""


def frechet_infinity(
    features: np.ndarray, mean: np.ndarray, cov: np.ndarray, seed: int, groups: int = GROUPS
) -> Jackknife:
    """FID-infinity: the Fréchet distance extrapolated to infinitely many images.

    (Chong and Forsyth 2020, arXiv 1911.07023.) The distance of n images is too large by c / n +
    O(1 / n^2). The images are shuffled by ``seed`` and split into j equal parts, for j = 1 ...
    ``SPLITS``. The mean distances of the parts are fitted by a line in j / n. The value is its
    intercept. Each j uses all images, so noise of first order cancels along the line. So the
    intercept's spread is about that of the plain distance. (The paper fits 15 overlapping random
    subsets.)

    The jackknife repeats splits and fit without each of ``groups`` groups of the shuffled images.
    It is 1.4 times too wide for equal distributions, where the distance is quadratic in the errors
    of the moments. The value may be negative. The reference is held fixed. A value takes 6
    distances, its error 6 more for each group.

    Args:
        features: (n, D) of the generated images. n / SPLITS should be several times D, so that
            1 / n^2 is small.
        mean, cov: (D,) and (D, D) of the reference.

    Raises:
        ValueError: for shapes that do not fit, values that are not finite, or parts of D images or
            fewer.
    """
    x, _ = comparable(features, features, 1)  # the reference's moments are checked where they are used
    n, dim = x.shape
    if n < images_for_infinity(dim, groups):
        least = SPLITS * (dim + 1)
        raise ValueError(
            f"{n} images of {dim} features are too few for FID-infinity: "
            f"without a group of {groups}, {least} must remain"
        )
    x = x[np.random.default_rng(seed).permutation(n)]
    group, distance = np.arange(n) % groups, distance_from(mean, cov)
    without = np.array([_intercept(x[group != left_out], distance) for left_out in range(groups)])
    return Jackknife(_intercept(x, distance), jackknife_error(without), tuple(without.tolist()))


def images_for_infinity(dim: int, groups: int = GROUPS) -> int:
    """The fewest images of ``dim`` features that :func:`frechet_infinity` takes.

    Each of its parts then has dim + 1 images or more, also without one group.
    """
    return -(-SPLITS * (dim + 1) * groups // (groups - 1))


def _intercept(x: np.ndarray, distance: Callable[[np.ndarray, np.ndarray], float]) -> float:
    splits = np.arange(1, SPLITS + 1)
    distances = [
        np.mean([distance(part.mean(0), np.atleast_2d(np.cov(part.T))) for part in np.array_split(x, j)])
        for j in splits
    ]
    return float(np.polynomial.polynomial.polyfit(splits, distances, 1)[0])
