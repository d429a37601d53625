r"""Metrics that need the features themselves, not only their moments: KID, precision and recall, density and coverage, FID-infinity.

Features are (n, D), one row an image; memory is bounded by blocks of ``BLOCK`` x ``BLOCK`` pairs. KID and FID-infinity have the
group jackknife's error. Precision and density are means of one term per generated image once the reference is held fixed, so that
the spread of the terms is their error. Recall and coverage have the spread over runs, :func:`interval_over_seeds`, and no
jackknife: a point acts on its few neighbours only, however many points there are, so these values do not become linear in
the points (the bootstrap fails for matching by neighbours too; Abadie and Imbens 2008), and the jackknife errs by a
factor that stays. It is too wide (Efron and Stein 1981): for Gaussians of D = 2 to 32, n = 400 and 1200, it gave 1.3 to 2.0 times
the spread over runs for recall and 1.25 to 1.8 times for coverage; the spread between disjoint parts of a run 0.5 to 1.1 for coverage.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit

from morse.quality.frechet import Estimate, Jackknife, distance_from, jackknife_error
from morse.quality.statistics import GROUPS

BLOCK = 2048
"""Points to a side of the blocks in which pairs are worked through: 32 MB of float64 each."""

SPLITS = 3
"""FID-infinity extrapolates from parts of n, n/2, ..., n/SPLITS images. More parts cost more and err more at order 1/n^2."""


class PrecisionRecall(NamedTuple):
    """Improved precision, with its error for this reference, and recall, whose error only other seeds can tell."""

    precision: Estimate
    recall: float


class DensityCoverage(NamedTuple):
    """Density, with its error for this reference, and coverage, whose error only other seeds can tell."""

    density: Estimate
    coverage: float


def kid(features: np.ndarray, reference: np.ndarray) -> Jackknife:
    r"""The unbiased squared MMD with the kernel k(x, y) = (x.y / D + 1)^3 over all pairs, and its jackknife's error.

    .. math:: \frac{\sum_{i \neq j} k(x_i, x_j)}{n (n - 1)} + \frac{\sum_{i \neq j} k(y_i, y_j)}{m (m - 1)}
        - \frac{2 \sum_{i, j} k(x_i, y_j)}{n m}

    (Bińkowski et al. 2018, arXiv 1801.01401.) It may be negative. The squared error is the sum of those of the two sets,
    each by leaving out one of ``GROUPS`` groups at a time, dealt at random so that no order of classes matters. It includes the
    chance of the reference, as the value is to be compared with 0; for the difference of two runs with one reference it is too wide.
    It also is, by up to the root of 2, for distributions that are all but equal, where the value is quadratic in the errors. The
    values without each group are those of generated images alone: of runs of equal counts the same images, so that they pair.

    Args:
        features: (n, D) of the generated images.
        reference: (m, D).

    Raises:
        ValueError: for shapes that do not fit, values that are not finite, or fewer points than groups.
    """
    x, y = _checked(features, reference, GROUPS)
    in_x, in_y = _dealt(len(x)), _dealt(len(y))
    xx = _pair_sums(x, x, in_x, in_x) - np.diag(_own_kernel(x) @ in_x)
    yy = _pair_sums(y, y, in_y, in_y) - np.diag(_own_kernel(y) @ in_y)
    xy = _pair_sums(x, y, in_x, in_y)
    n, m = len(x), len(y)
    without_x = _mmd(_left_out(xx), yy.sum(), xy.sum() - xy.sum(1), n - in_x.sum(0), m)
    without_y = _mmd(xx.sum(), _left_out(yy), xy.sum() - xy.sum(0), n, m - in_y.sum(0))
    value = float(_mmd(xx.sum(), yy.sum(), xy.sum(), n, m))
    return Jackknife(value, jackknife_error(without_x, without_y), tuple(without_x.tolist()))


def kid_subsets(features: np.ndarray, reference: np.ndarray, seed: int, subsets: int = 100, subset_size: int = 1000) -> float:
    """KID as it is usually reported: the mean of :func:`kid`'s estimate over random subsets of ``subset_size`` points (or all).

    It has no error here: subsets share points, so the spread over them is not the spread of their mean. Use :func:`kid` for an
    interval. After ``numpy.random.seed(seed)``, clean-fid's ``kernel_distance(reference, features)`` draws the same subsets.

    Raises:
        ValueError: as :func:`kid`, but for fewer than two points.
    """
    x, y = _checked(features, reference, 2)
    rng = np.random.RandomState(seed)  # the legacy generator, for clean-fid's subsets
    size = min(len(x), len(y), subset_size)
    total = 0.0
    for _ in range(subsets):
        a = x[rng.choice(len(x), size, replace=False)]
        b = y[rng.choice(len(y), size, replace=False)]
        aa, bb = _kernel(a, a).sum() - _own_kernel(a).sum(), _kernel(b, b).sum() - _own_kernel(b).sum()
        total += _mmd(aa, bb, _kernel(a, b).sum(), size, size)
    return float(total / subsets)


def precision_recall(features: np.ndarray, reference: np.ndarray, k: int = 3) -> PrecisionRecall:
    """Improved precision and recall (Kynkäänniemi et al. 2019, arXiv 1904.06991).

    The manifold of a set is the union of the closed balls around its points, each out to the point's k-th nearest other point.
    Precision is the share of generated points in the reference's manifold, recall that of reference points in the generated's.
    Both depend on n and m: compare equal counts only. Precision's error is the binomial one with two successes and two
    failures added (Agresti and Coull 1998): for 99 % inside and n = 100, 95 % intervals without these cover 64 %.

    Args:
        features, reference: (n, D) and (m, D).

    Raises:
        ValueError: for shapes that do not fit, values that are not finite, or k points or fewer.
    """
    x, y = _checked(features, reference, k + 1)
    hits = int(np.count_nonzero(_balls(y, x, k)[1]))
    recall = float(np.mean(_balls(x, y, k)[1] > 0))
    n, share = len(x), (hits + 2) / (len(x) + 4)
    return PrecisionRecall(Estimate(hits / n, float(np.sqrt(share * (1.0 - share) / (n + 4)))), recall)


def density_coverage(features: np.ndarray, reference: np.ndarray, k: int = 5) -> DensityCoverage:
    """Density and coverage (Naeem et al. 2020, arXiv 2002.09797), on the balls of :func:`precision_recall`.

    Density is the mean number of reference balls that a generated point is in, over k: 1 in expectation for equal distributions,
    and not bounded by 1. Coverage is the share of reference balls with a generated point in them: for equal distributions
    1 - (m-1)...(m-k) / ((n+m-1)...(n+m-k)) in expectation.

    Raises:
        ValueError: as :func:`precision_recall`, whose arguments these are.
    """
    x, y = _checked(features, reference, k + 1)
    points_in_ball, balls_of_point = _balls(y, x, k)
    density = Estimate(float(balls_of_point.mean() / k), float(balls_of_point.std(ddof=1) / k / np.sqrt(len(x))))
    return DensityCoverage(density, float(np.mean(points_in_ball > 0)))


def interval_over_seeds(values: Sequence[float]) -> tuple[float, float]:
    """Student's 95 % interval, mean -+ t s / sqrt(R), of the mean of a metric over R runs of other seeds.

    Raises:
        ValueError: for fewer than two values, or values that are not finite.
    """
    if len(values) < 2 or not np.isfinite(values).all():
        raise ValueError(f"an interval over seeds needs two finite values or more, not {list(values)}")
    half = stdtrit(len(values) - 1, 0.975) * np.std(values, ddof=1) / np.sqrt(len(values))
    return float(np.mean(values) - half), float(np.mean(values) + half)


def frechet_infinity(features: np.ndarray, mean: np.ndarray, cov: np.ndarray, seed: int) -> Jackknife:
    r"""The Fréchet distance for infinitely many images (Chong and Forsyth 2020, arXiv 1911.07023), called FID-infinity.

    The distance of n images is too large by c / n + O(1 / n^2). The images, shuffled by ``seed``, are split into j equal parts,
    and the mean distance of the parts is fitted by a line in j / n, j = 1 ... ``SPLITS``; the value is the intercept. As each j uses
    all images, noise of first order cancels along the line, and the intercept's spread is about that of the plain distance.
    (The paper fits 15 overlapping random subsets.) The jackknife repeats shuffle, splits and fit without each of ``GROUPS`` groups.
    It is too wide, by 1.4 times, for equal distributions, where the distance is quadratic in the errors of the moments.
    The value may be negative. The reference is held fixed. A value takes 6 distances, its error 120 more.

    Args:
        features: (n, D) of the generated images, n / SPLITS several times D for the 1 / n^2 to be small.
        mean, cov: (D,) and (D, D) of the reference.

    Raises:
        ValueError: for shapes that do not fit, values that are not finite, or parts of D images or fewer.
    """
    x, _ = _checked(features, features, 1)  # the reference's moments are checked where they are used
    n, dim = x.shape
    if n < images_for_infinity(dim):
        least = SPLITS * (dim + 1)
        raise ValueError(f"{n} images of {dim} features are too few for FID-infinity: without a group of {GROUPS}, {least} must remain")
    x = x[np.random.default_rng(seed).permutation(n)]
    group, distance = np.arange(n) % GROUPS, distance_from(mean, cov)
    without = np.array([_intercept(x[group != left_out], distance) for left_out in range(GROUPS)])
    return Jackknife(_intercept(x, distance), jackknife_error(without), tuple(without.tolist()))


def images_for_infinity(dim: int) -> int:
    """The fewest images of ``dim`` features for which :func:`frechet_infinity` has dim + 1 in each part, also without one group."""
    return -(-SPLITS * (dim + 1) * GROUPS // (GROUPS - 1))


def _intercept(x: np.ndarray, distance: Callable[[np.ndarray, np.ndarray], float]) -> float:
    splits = np.arange(1, SPLITS + 1)
    distances = [np.mean([distance(part.mean(0), np.atleast_2d(np.cov(part.T))) for part in np.array_split(x, j)]) for j in splits]
    return float(np.polynomial.polynomial.polyfit(splits, distances, 1)[0])


def _checked(features: np.ndarray, reference: np.ndarray, least: int) -> tuple[np.ndarray, np.ndarray]:
    """Both in float64, once they are found to be (n, D) and (m, D), finite, with ``least`` points or more."""
    x, y = np.asarray(features, np.float64), np.asarray(reference, np.float64)
    if x.ndim != 2 or x.shape[1:] != y.shape[1:]:
        raise ValueError(f"features are (n, D) and (m, D) with one D, not {x.shape} and {y.shape}")
    for name, values in (("generated", x), ("reference", y)):
        if len(values) < least:
            raise ValueError(f"there are {len(values)} {name} points; this metric needs {least} or more")
        if not np.isfinite(values).all():
            raise ValueError(f"the {name} features of image {int(np.argmin(np.isfinite(values).all(1)))} are not finite")
    return x, y


def _blocks(n: int) -> Iterator[slice]:
    return (slice(start, start + BLOCK) for start in range(0, n, BLOCK))


def _kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    base = a @ b.T / a.shape[1] + 1.0
    return base * base * base  # several times faster than ** 3


def _own_kernel(a: np.ndarray) -> np.ndarray:
    return (np.square(a).sum(1) / a.shape[1] + 1.0) ** 3


def _dealt(n: int) -> np.ndarray:  # (n, GROUPS): 1 where the point is in the group
    return np.eye(GROUPS)[np.random.default_rng(0).permutation(n) % GROUPS]


def _pair_sums(a: np.ndarray, b: np.ndarray, in_a: np.ndarray, in_b: np.ndarray) -> np.ndarray:
    """(GROUPS, GROUPS) sums of the kernel over the pairs of a group of ``a`` and one of ``b``: any group can then be left out."""
    return sum(in_a[i].T @ (_kernel(a[i], b[j]) @ in_b[j]) for i in _blocks(len(a)) for j in _blocks(len(b)))


def _left_out(sums: np.ndarray) -> np.ndarray:  # (GROUPS,), over all pairs within a set of which no point is in the group
    return sums.sum() - sums.sum(0) - sums.sum(1) + np.diag(sums)


def _mmd(xx: np.ndarray, yy: np.ndarray, xy: np.ndarray, n: np.ndarray, m: np.ndarray) -> np.ndarray:  # from sums over pairs
    return xx / (n * (n - 1)) + yy / (m * (m - 1)) - 2.0 * xy / (n * m)


def _squared_distances(a: np.ndarray, b: np.ndarray, shrink: float = 0.0) -> np.ndarray:
    norms = np.square(a).sum(1)[:, None] + np.square(b).sum(1)
    return np.maximum((1.0 - shrink) * norms - 2.0 * (a @ b.T), 0.0)


def _balls(centres: np.ndarray, points: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """(m,) points in the ball of each centre, and (n,) balls that each point is in."""
    origin = centres.mean(0)  # close to the points, so that rounding is small
    centres, points = centres - origin, points - origin
    in_ball, of_point = np.zeros(len(centres), np.int64), np.zeros(len(points), np.int64)
    for i in _blocks(len(centres)):
        nearest = np.empty((len(centres[i]), 0))
        for j in _blocks(len(centres)):
            squared = _squared_distances(centres[i], centres[j])
            if i == j:
                np.fill_diagonal(squared, np.inf)  # a point is not its own neighbour
            nearest = np.partition(np.hstack([nearest, squared]), k - 1, 1)[:, :k]
        radii = nearest[:, -1:]
        for j in _blocks(len(points)):
            # Shrunk by what rounding may do, so that a point on a sphere is inside whatever the blocks are.
            inside = _squared_distances(centres[i], points[j], shrink=1e-12) <= radii
            in_ball[i] += inside.sum(1)
            of_point[j] += inside.sum(0)
    return in_ball, of_point
