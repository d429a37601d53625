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

import numpy as np

from morse.quality.estimates import Jackknife, jackknife_error
from morse.quality.features import blocks, comparable
from morse.quality.statistics import GROUPS


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
    x, y = comparable(features, reference, GROUPS)
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
    x, y = comparable(features, reference, 2)
    rng = np.random.RandomState(seed)  # the legacy generator, for clean-fid's subsets
    size = min(len(x), len(y), subset_size)
    total = 0.0
    for _ in range(subsets):
        a = x[rng.choice(len(x), size, replace=False)]
        b = y[rng.choice(len(y), size, replace=False)]
        aa, bb = _kernel(a, a).sum() - _own_kernel(a).sum(), _kernel(b, b).sum() - _own_kernel(b).sum()
        total += _mmd(aa, bb, _kernel(a, b).sum(), size, size)
    return float(total / subsets)


def _kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    base = a @ b.T / a.shape[1] + 1.0
    return base * base * base  # several times faster than ** 3


def _own_kernel(a: np.ndarray) -> np.ndarray:
    return (np.square(a).sum(1) / a.shape[1] + 1.0) ** 3


def _dealt(n: int) -> np.ndarray:  # (n, GROUPS): 1 where the point is in the group
    return np.eye(GROUPS)[np.random.default_rng(0).permutation(n) % GROUPS]


def _pair_sums(a: np.ndarray, b: np.ndarray, in_a: np.ndarray, in_b: np.ndarray) -> np.ndarray:
    """(GROUPS, GROUPS) sums of the kernel over the pairs of a group of ``a`` and one of ``b``: any group can then be left out."""
    return sum(in_a[i].T @ (_kernel(a[i], b[j]) @ in_b[j]) for i in blocks(len(a)) for j in blocks(len(b)))


def _left_out(sums: np.ndarray) -> np.ndarray:  # (GROUPS,), over all pairs within a set of which no point is in the group
    return sums.sum() - sums.sum(0) - sums.sum(1) + np.diag(sums)


def _mmd(xx: np.ndarray, yy: np.ndarray, xy: np.ndarray, n: np.ndarray, m: np.ndarray) -> np.ndarray:  # from sums over pairs
    return xx / (n * (n - 1)) + yy / (m * (m - 1)) - 2.0 * xy / (n * m)
