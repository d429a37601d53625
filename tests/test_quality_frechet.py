"""The Fréchet distance against closed forms and clean-fid, its error against seeds' spread."""

import numpy as np
import pytest

from morse.quality.frechet import frechet_distance, frechet_with_error
from morse.quality.statistics import Statistics

KIND = {"extractor": "small/aa", "data": "run", "image_shape": (1, 32, 32)}


def gaussian(dim, rank, seed):
    """A mean and a covariance of the given rank, with eigenvalues over two orders of magnitude."""
    rng = np.random.default_rng(seed)
    factor = rng.standard_normal((dim, rank)) * np.geomspace(0.1, 1.0, rank)
    return rng.standard_normal(dim), factor @ factor.T


def streamed(x, groups=20, **changes):
    statistics = Statistics.empty(**KIND | changes, dim=x.shape[1], groups=groups)
    statistics.add(x, 0)
    return statistics


def test_diagonal_gaussians_have_their_closed_form():
    rng = np.random.default_rng(0)
    (mean_1, mean_2), (deviation_1, deviation_2) = rng.standard_normal((2, 8)), rng.uniform(0.1, 3.0, (2, 8))
    expected = np.square(mean_1 - mean_2).sum() + np.square(deviation_1 - deviation_2).sum()
    assert frechet_distance(mean_1, np.diag(deviation_1**2), mean_2, np.diag(deviation_2**2)) == pytest.approx(
        expected, rel=1e-12
    )


@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
def test_a_scaled_covariance_has_its_closed_form_in_any_basis(scale):
    mean, cov = gaussian(6, 6, 1)
    expected = (np.sqrt(scale) - 1.0) ** 2 * np.trace(cov)
    assert frechet_distance(mean, cov, mean, scale * cov) == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("rank", [1, 16, 64])
def test_equal_distributions_have_no_distance(rank):
    mean, cov = gaussian(64, rank, 2)
    assert (
        0.0 <= frechet_distance(mean, cov, mean, cov) < 1e-6 * np.trace(cov)
    )  # roots of rounding errors, see the docstring


def test_points_have_the_squared_distance_of_their_means():
    zero = np.zeros((3, 3))
    assert frechet_distance(np.zeros(3), zero, np.array([1.0, 2.0, 2.0]), zero) == 9.0
    assert frechet_distance(np.zeros(3), zero, np.zeros(3), np.eye(3)) == pytest.approx(3.0)


def test_orthogonal_rank_deficient_covariances_have_no_overlap():
    left, right = np.diag([1.0, 2.0, 0.0, 0.0]), np.diag([0.0, 0.0, 3.0, 4.0])
    assert frechet_distance(np.zeros(4), left, np.zeros(4), right) == pytest.approx(10.0, rel=1e-12)


@pytest.mark.filterwarnings("ignore:.*disp.*:DeprecationWarning")
@pytest.mark.parametrize(
    ("ranks", "tolerance"),
    # sqrtm of a singular product has errors of the root of the machine's precision, 1.5e-8, in each
    # of the 48 directions.
    [((48, 48), 1e-9), ((48, 12), 1e-6), ((12, 48), 1e-6), ((12, 12), 1e-6), ((40, 40), 1e-6)],
)
def test_the_distance_is_cleanfids(ranks, tolerance):
    from cleanfid.fid import frechet_distance as cleanfid_distance

    first, second = (gaussian(48, rank, seed) for seed, rank in enumerate(ranks))
    assert frechet_distance(*first, *second) == pytest.approx(cleanfid_distance(*first, *second), rel=tolerance)


def test_the_distance_is_symmetric():
    first, second = gaussian(32, 20, 3), gaussian(32, 9, 4)
    assert frechet_distance(*first, *second) == pytest.approx(frechet_distance(*second, *first), rel=1e-7)


@pytest.mark.parametrize(
    ("mean", "cov", "message"),
    [
        (np.zeros(3), np.eye(3), "of 2 and 3 dimensions"),
        (np.zeros(2), np.eye(3), r"not \(2,\) and \(3, 3\)"),
        (np.zeros(2), np.full((2, 2), np.nan), "not finite"),
    ],
)
def test_what_is_no_gaussian_of_the_same_space_is_refused(mean, cov, message):
    with pytest.raises(ValueError, match=message):
        frechet_distance(np.zeros(2), np.eye(2), mean, cov)


def test_the_estimate_is_the_distance_of_the_pooled_images():
    rng = np.random.default_rng(5)
    x, y = rng.standard_normal((500, 6)), 1.5 * rng.standard_normal((700, 6))
    pooled = frechet_distance(x.mean(0), np.cov(x, rowvar=False), y.mean(0), np.cov(y, rowvar=False))
    assert frechet_with_error(streamed(x), streamed(y, groups=1, data="data set")).value == pytest.approx(
        pooled, rel=1e-9
    )


@pytest.mark.parametrize(
    ("shift", "scale", "low", "high"),
    # 300 runs, so that the spread is known to 4 %. Three of those either way, and up to the root
    # of 2 for equal distributions.
    [(0.3, 1.0, 0.88, 1.12), (0.0, 1.3, 0.88, 1.12), (0.0, 1.0, 1.0, 1.12 * 2**0.5)],
)
def test_the_standard_error_is_the_spread_over_independent_seeds(shift, scale, low, high):
    rng, dim, count, runs = np.random.default_rng(6), 4, 400, 300
    reference = streamed(rng.standard_normal((20_000, dim)), groups=1)
    estimates = [
        frechet_with_error(streamed(shift + scale * rng.standard_normal((count, dim))), reference) for _ in range(runs)
    ]
    spread = np.std([estimate.value for estimate in estimates], ddof=1)
    stated = np.sqrt(np.mean([estimate.standard_error**2 for estimate in estimates]))
    assert low < stated / spread < high
    expected = np.mean([estimate.value for estimate in estimates])  # of this many images, bias and all
    covered = np.mean([abs(estimate.value - expected) < 1.96 * estimate.standard_error for estimate in estimates])
    assert 0.90 <= covered <= (1.0 if shift == 0 and scale == 1 else 0.99)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"extractor": "small/bb"}, "statistics of run and of run differ in extractor: small/aa, small/bb"),
        ({"image_shape": (1, 28, 28)}, "differ in image shape"),
    ],
)
def test_unlike_statistics_are_not_compared(change, message):
    x = np.random.default_rng(7).standard_normal((100, 3))
    with pytest.raises(ValueError, match=message) as error:
        frechet_with_error(streamed(x), streamed(x, **change))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("count", "groups"), [(19, 20), (100, 1)])
def test_a_jackknife_without_all_its_groups_is_refused(count, groups):
    x = np.random.default_rng(8).standard_normal((count, 3))
    with pytest.raises(ValueError, match="the jackknife needs all"):
        frechet_with_error(streamed(x, groups), streamed(x, groups=1))
