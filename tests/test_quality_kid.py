"""KID, precision and recall, density and coverage, FID-infinity.

They are held against closed forms, clean-fid, plain loops and simulations.
"""

from itertools import permutations, product

import numpy as np
import pytest

import morse.quality.features
import morse.quality.kid
from morse.quality.estimates import interval_over_seeds
from morse.quality.frechet import frechet_distance, frechet_infinity
from morse.quality.kid import kid, kid_subsets
from morse.quality.precision_recall import density_coverage, precision_recall

NORMAL = 1.96


def normal(n, dim, seed, shift=0.0, scale=1.0):
    return shift + scale * np.random.default_rng(seed).standard_normal((n, dim))


def mean_kernel(mean_1, mean_2):
    """E (x.y / D + 1)^3 over independent x ~ N(mean_1, I) and y ~ N(mean_2, I)."""
    dim, a, squares = len(mean_1), mean_1 @ mean_2, mean_1 @ mean_1 + mean_2 @ mean_2
    second = a**2 + squares + dim
    third = a**3 + 3 * a * squares + 3 * a * (dim + 2)
    return third / dim**3 + 3 * second / dim**2 + 3 * a / dim + 1


def covered(values, errors, truth):
    """The share of nominal 95 % intervals that hold the truth."""
    return np.mean(np.abs(np.array(values) - truth) < NORMAL * np.array(errors))


def plain_kid(x, y):
    """The definition, with loops over all pairs."""

    def mean(pairs):
        return np.mean([(a @ b / len(a) + 1.0) ** 3 for a, b in pairs])

    return mean(permutations(x, 2)) + mean(permutations(y, 2)) - 2 * mean(product(x, y))


def test_kid_is_its_definition_and_its_error_that_of_runs_without_a_group():
    x, y = normal(47, 3, 0, 0.3), normal(61, 3, 1)
    estimate = kid(x, y)
    assert estimate.value == pytest.approx(plain_kid(x, y), rel=1e-10)
    variance = 0.0
    for one, other in ((x, y), (y, x)):
        group = np.random.default_rng(0).permutation(len(one)) % 20
        without = np.array([kid(one[group != g], other).value for g in range(20)])
        variance += 19 / 20 * np.square(without - without.mean()).sum()
    assert estimate.standard_error == pytest.approx(np.sqrt(variance), rel=1e-9)


@pytest.mark.parametrize(("n", "m", "size"), [(150, 130, 100), (90, 200, 1000)])
def test_subsets_are_cleanfids(n, m, size):
    from cleanfid.fid import kernel_distance

    x, y = normal(n, 16, 2, 0.2), normal(m, 16, 3)
    before = np.random.get_state()
    try:
        np.random.seed(11)
        expected = kernel_distance(y, x, num_subsets=7, max_subset_size=size)
    finally:
        np.random.set_state(before)
    assert kid_subsets(x, y, seed=11, subsets=7, subset_size=size) == pytest.approx(expected, rel=1e-10)


def test_one_subset_of_all_points_is_the_exact_estimator():
    x, y = normal(80, 5, 4, 0.5), normal(80, 5, 5)
    assert kid_subsets(x, y, seed=0, subsets=1) == pytest.approx(kid(x, y).value, rel=1e-10)


@pytest.mark.parametrize(
    ("shift", "low", "high"),
    # For equal distributions the error is too wide by up to the root of 2, and 1.96 such errors
    # hold 99 % and more.
    [(0.0, 0.95, 1.0), (0.1, 0.90, 0.99), (0.5, 0.90, 0.99)],
)
def test_kid_is_unbiased_and_its_interval_covers(shift, low, high):
    dim, runs = 8, 400
    rng = np.random.default_rng(6)
    mean = np.full(dim, shift)
    truth = mean_kernel(mean, mean) + mean_kernel(0 * mean, 0 * mean) - 2 * mean_kernel(mean, 0 * mean)
    estimates = [kid(mean + rng.standard_normal((150, dim)), rng.standard_normal((200, dim))) for _ in range(runs)]
    values, errors = np.array([(e.value, e.standard_error) for e in estimates]).T
    assert abs(values.mean() - truth) < 3 * values.std() / np.sqrt(runs)
    assert low <= covered(values, errors, truth) <= high
    assert 0.88 < np.sqrt(np.square(errors).mean()) / values.std() < 1.12 * 2**0.5


def plain_balls(centres, points, k):
    """Membership (m, n) by whole matrices of distances."""
    between, to_points = (np.linalg.norm(centres[:, None] - others, axis=-1) for others in (centres, points))
    return to_points <= np.sort(between, 1)[:, k, None]  # the first is the point itself


def test_nearest_neighbour_metrics_are_their_definitions():
    x, y = normal(120, 4, 7, 0.5, 0.8), normal(150, 4, 8)
    precision, recall = precision_recall(x, y)
    assert precision.value == plain_balls(y, x, 3).any(0).mean()
    assert recall == plain_balls(x, y, 3).any(0).mean()
    density, coverage = density_coverage(x, y)
    inside = plain_balls(y, x, 5)
    assert density.value == pytest.approx(inside.sum() / (5 * 120), rel=1e-12)
    assert density.standard_error == pytest.approx((inside.sum(0) / 5).std(ddof=1) / np.sqrt(120), rel=1e-12)
    assert coverage == inside.any(1).mean()


def test_disjoint_supports_share_nothing():
    x, y = normal(60, 3, 9, 1000.0), normal(70, 3, 10)
    (precision, recall), (density, coverage) = precision_recall(x, y), density_coverage(x, y)
    assert (precision.value, recall, density.value, coverage) == (0.0, 0.0, 0.0, 0.0)
    assert precision.standard_error > 0.0


@pytest.mark.parametrize("offset", [0.0, 1e3])
def test_equal_samples_share_all_and_ties_are_inside(offset):
    x = normal(200, 6, 11, offset)
    (precision, recall), (density, coverage) = precision_recall(x, x[::-1]), density_coverage(x, x[::-1])
    assert (precision.value, recall, coverage) == (1.0, 1.0, 1.0)
    assert density.value == pytest.approx(
        6 / 5
    )  # each closed ball holds its centre, k - 1 points inside and one on the sphere


@pytest.mark.parametrize(("n", "m", "k"), [(40, 40, 5), (60, 30, 2)])
def test_density_and_coverage_of_equal_distributions_have_their_expectations(n, m, k):
    rng, runs = np.random.default_rng(12), 400
    pairs = [density_coverage(rng.standard_normal((n, 2)), rng.standard_normal((m, 2)), k) for _ in range(runs)]
    density, coverage = np.array([pair.density.value for pair in pairs]), np.array([pair.coverage for pair in pairs])
    steps = np.arange(1, k + 1)
    expected = 1.0 - np.prod((m - steps) / (n + m - steps))
    assert abs(density.mean() - 1.0) < 3 * density.std() / np.sqrt(runs)
    assert abs(coverage.mean() - expected) < 3 * coverage.std() / np.sqrt(runs)


def test_blocks_do_not_change_the_values(monkeypatch):
    x, y = normal(130, 5, 13, 0.3), normal(110, 5, 14)
    x[:40] = y[:40]  # ties: points on spheres
    whole = precision_recall(x, y), density_coverage(x, y), kid(x, y)
    for block in (7, 32, 129):
        monkeypatch.setattr(morse.quality.features, "BLOCK", block)
        assert (precision_recall(x, y), density_coverage(x, y)) == whole[:2]
        estimate = kid(x, y)
        assert (estimate.value, estimate.standard_error) == pytest.approx(
            (whole[2].value, whole[2].standard_error), rel=1e-10
        )


@pytest.fixture(scope="module")
def runs():
    """Precision, density, recall, coverage of runs against one reference: (1500, 4).

    Also the errors of the first two: (1500, 2).
    """
    rng = np.random.default_rng(15)
    reference, values, errors = rng.standard_normal((150, 4)), [], []
    for _ in range(1500):
        x = 0.3 + 0.9 * rng.standard_normal((100, 4))
        (precision, recall), (density, coverage) = precision_recall(x, reference), density_coverage(x, reference)
        values.append((precision.value, density.value, recall, coverage))
        errors.append((precision.standard_error, density.standard_error))
    return np.array(values), np.array(errors)


@pytest.mark.parametrize(
    ("column", "high"),
    [(0, 1.25), (1, 1.10)],  # Agresti and Coull's error is the wider one near 0 and 1, which is why it covers there
    ids=["precision", "density"],
)
def test_the_intervals_of_precision_and_density_cover(runs, column, high):
    values, errors = runs[0][:, column], runs[1][:, column]
    assert 0.90 <= covered(values, errors, values.mean()) <= 0.99
    assert 0.90 < np.sqrt(np.square(errors).mean()) / values.std() < high


@pytest.mark.parametrize("column", [2, 3], ids=["recall", "coverage"])
def test_the_intervals_over_three_seeds_cover(runs, column):
    values = runs[0][:, column]
    intervals = [interval_over_seeds(three) for three in values.reshape(-1, 3)]
    assert 0.90 <= np.mean([low < values.mean() < high for low, high in intervals]) <= 0.99


def test_the_interval_over_seeds_is_students_and_needs_two_values():
    assert interval_over_seeds([1.0, 2.0, 3.0]) == pytest.approx(
        (2.0 - 4.302653 / 3**0.5, 2.0 + 4.302653 / 3**0.5), rel=1e-6
    )
    for values in ([1.0], [], [1.0, float("nan")]):
        with pytest.raises(ValueError, match="needs two finite values"):
            interval_over_seeds(values)


@pytest.mark.parametrize(
    ("shift", "scale", "low", "high"),
    # As for KID, the error is too wide for equal distributions.
    [(0.3, 1.0, 0.90, 0.99), (0.0, 1.3, 0.90, 0.99), (0.0, 1.0, 0.95, 1.0)],
)
def test_fid_infinity_is_nearer_the_truth_than_fid_and_its_interval_covers(shift, scale, low, high):
    dim, count, runs = 6, 300, 150
    rng, mean, cov = np.random.default_rng(16), np.zeros(dim), np.eye(dim)
    truth = dim * (shift**2 + (scale - 1.0) ** 2)
    samples = [shift + scale * rng.standard_normal((count, dim)) for _ in range(runs)]
    estimates = [frechet_infinity(x, mean, cov, seed) for seed, x in enumerate(samples)]
    values, errors = np.array([(e.value, e.standard_error) for e in estimates]).T
    plain = np.array([frechet_distance(mean, cov, x.mean(0), np.cov(x.T)) for x in samples])
    assert abs(values.mean() - truth) < 3 * values.std() / np.sqrt(runs) < plain.mean() - truth
    assert np.abs(values - truth).mean() < np.abs(plain - truth).mean()
    assert low <= covered(values, errors, truth) <= high
    assert 0.88 < np.sqrt(np.square(errors).mean()) / values.std() < 1.12 * 2**0.5


def test_fid_infinity_depends_on_the_seed_alone():
    x, mean, cov = normal(200, 4, 17, 0.2), np.zeros(4), np.eye(4)
    assert frechet_infinity(x, mean, cov, 1) == frechet_infinity(x.copy(), mean, cov, 1)
    assert frechet_infinity(x, mean, cov, 1) != frechet_infinity(x, mean, cov, 2)


def test_a_line_in_one_over_n_is_extrapolated_exactly():
    # Features of 1 and -1 in turn have the variance n / (n - 1), which tells the distance n.
    def distance(mean, variance):
        return 2.0 + 30.0 * (1.0 - 1.0 / variance.item())

    assert morse.quality.frechet._intercept(np.resize([1.0, -1.0], (600, 1)), distance) == pytest.approx(2.0, rel=1e-10)


@pytest.mark.parametrize("metric", [kid, lambda x, y: kid_subsets(x, y, 0), precision_recall, density_coverage])
@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.zeros((30, 3)), np.zeros((30, 4)), r"with one D, not \(30, 3\) and \(30, 4\)"),
        (np.zeros(30), np.zeros(30), "with one D"),
        (np.zeros((30, 3)), np.zeros((1, 3)), "there are 1 reference points; this metric needs"),
        (
            np.zeros((30, 3)),
            np.r_[np.zeros((29, 3)), [[0.0, np.nan, 0.0]]],
            "reference features of image 29 are not finite",
        ),
        (np.full((30, 3), np.inf), np.zeros((30, 3)), "generated features of image 0 are not finite"),
    ],
)
def test_bad_features_are_refused(metric, x, y, message):
    with pytest.raises(ValueError, match=message) as error:
        metric(x, y)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("metric", "least"),
    [(kid, 20), (precision_recall, 4), (density_coverage, 6), (lambda x, y: kid_subsets(x, y, 0), 2)],
)
def test_the_least_number_of_points_is_enough_and_one_less_is_not(metric, least):
    x, y = normal(least, 2, 18), normal(least, 2, 19)
    metric(x, y)
    with pytest.raises(ValueError, match=f"needs {least} or more"):
        metric(x[1:], y)


def test_fid_infinity_refuses_what_it_cannot_extrapolate():
    mean, cov = np.zeros(3), np.eye(3)
    frechet_infinity(normal(13, 3, 20), mean, cov, 0)
    with pytest.raises(ValueError, match="12 images of 3 features are too few"):
        frechet_infinity(normal(12, 3, 20), mean, cov, 0)
    with pytest.raises(ValueError, match="not finite"):
        frechet_infinity(np.full((50, 3), np.nan), mean, cov, 0)
    with pytest.raises(ValueError, match="of 2 and 3 dimensions"):
        frechet_infinity(normal(50, 3, 20), mean[:2], cov[:2, :2], 0)
