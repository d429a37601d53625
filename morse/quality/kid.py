"""KID, the kernel distance: the squared maximum mean discrepancy (MMD) of two sets of features.

Features are (n, D), one row an image. Pairs are computed in blocks of
:data:`morse.quality.features.BLOCK` points a side, which bounds memory.
"""

from __future__ import annotations

import numpy as np

from morse.quality.estimates import Jackknife, jackknife_error
from morse.quality.features import blocks, comparable
from morse.quality.statistics import GROUPS


def kid(features: np.ndarray, reference: np.ndarray, groups: int = GROUPS) -> Jackknife:
    r"""KID: the unbiased squared MMD over all pairs, with the error of a jackknife.

    With the kernel k(x, y) = (x.y / D + 1)^3 it is

    .. math::
        \frac{\sum_{i \neq j} k(x_i, x_j)}{n (n - 1)}
        + \frac{\sum_{i \neq j} k(y_i, y_j)}{m (m - 1)}
        - \frac{2 \sum_{i, j} k(x_i, y_j)}{n m}

    (Bińkowski et al. 2018, arXiv 1801.01401). It may be negative.

    The squared error is the sum of the squared errors of the two sets. Each is from leaving out one
    of ``groups`` groups at a time. Groups are dealt at random, so that the order of classes does
    not matter. The error includes that of the reference, as the value is compared with 0. So it is
    too wide for the difference of two runs with one reference. It is also too wide, by up to the
    root of 2, for nearly equal distributions, where the value is quadratic in the errors.

    ``without_groups`` has the values without each group of generated images only. Runs of equal
    counts leave out the same images, so that their values are paired.

    Args:
        features: (n, D) of the generated images.
        reference: (m, D).

    Raises:
        ValueError: for shapes that do not fit, values that are not finite, or fewer points than
            groups.
    """
    x, y = comparable(features, reference, groups)
    in_x, in_y = _dealt(len(x), groups), _dealt(len(y), groups)
    xx = _pair_sums(x, x, in_x, in_x) - np.diag(_own_kernel(x) @ in_x)
    yy = _pair_sums(y, y, in_y, in_y) - np.diag(_own_kernel(y) @ in_y)
    xy = _pair_sums(x, y, in_x, in_y)
    n, m = len(x), len(y)
    without_x = _mmd(_left_out(xx), yy.sum(), xy.sum() - xy.sum(1), n - in_x.sum(0), m)
    without_y = _mmd(xx.sum(), _left_out(yy), xy.sum() - xy.sum(0), n, m - in_y.sum(0))
    value = float(_mmd(xx.sum(), yy.sum(), xy.sum(), n, m))
    return Jackknife(value, jackknife_error(without_x, without_y), tuple(without_x.tolist()))


def kid_subsets(
    features: np.ndarray, reference: np.ndarray, seed: int, subsets: int = 100, subset_size: int = 1000
) -> float:
    """KID as it is usually reported: the mean of :func:`kid`'s value over random subsets.

    A subset has ``subset_size`` points, or all. There is no error: subsets share points, so the
    spread over them is not the spread of their mean. Use :func:`kid` for an interval. After
    ``numpy.random.seed(seed)``, clean-fid's ``kernel_distance(reference, features)`` draws the same
    subsets.

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


def _dealt(n: int, groups: int) -> np.ndarray:
    """(n, groups): 1 if the point is in the group, else 0."""
    return np.eye(groups)[np.random.default_rng(0).permutation(n) % groups]


def _pair_sums(a: np.ndarray, b: np.ndarray, in_a: np.ndarray, in_b: np.ndarray) -> np.ndarray:
    """(groups, groups) sums of the kernel over pairs of points.

    The first point is in a group of ``a``, the second in a group of ``b``. So any group can be left
    out later.
    """
    return sum(in_a[i].T @ (_kernel(a[i], b[j]) @ in_b[j]) for i in blocks(len(a)) for j in blocks(len(b)))


def _left_out(sums: np.ndarray) -> np.ndarray:
    """(groups,) sums over the pairs of a set, without all pairs that have a point in the group."""
    return sums.sum() - sums.sum(0) - sums.sum(1) + np.diag(sums)


def _mmd(xx: np.ndarray, yy: np.ndarray, xy: np.ndarray, n: np.ndarray, m: np.ndarray) -> np.ndarray:
    """The squared MMD from sums over pairs."""
    return xx / (n * (n - 1)) + yy / (m * (m - 1)) - 2.0 * xy / (n * m)
