"""Streamed statistics against the pooled ones of numpy."""

import subprocess
import sys

import numpy as np
import pytest

from morse.files import DamagedFile, sha256
from morse.quality.statistics import Statistics

DIM, GROUPS, COUNT = 5, 4, 103
KIND = {"extractor": "small/aa", "data": "run", "image_shape": (1, 32, 32)}


def features(count=COUNT, seed=0):
    return 3.0 + np.random.default_rng(seed).standard_normal((count, DIM)) @ np.diag(np.arange(1.0, 1 + DIM))


def streamed(x, cuts=(), first=0, **changes):
    statistics = Statistics.empty(**KIND | changes, dim=DIM, groups=GROUPS)
    for part, start in zip(np.split(x, cuts), [0, *cuts], strict=True):
        statistics.add(part, first + start)
    return statistics


def assert_same(a, b):
    assert (a.extractor, a.data, a.image_shape) == (b.extractor, b.data, b.image_shape)
    np.testing.assert_array_equal(a.n, b.n)
    np.testing.assert_allclose(a.sum, b.sum, rtol=1e-12)
    np.testing.assert_allclose(a.outer, b.outer, rtol=1e-12)


@pytest.mark.parametrize("cuts", [(), (1,), (50,), (1, 2, 3, 5, 64), tuple(range(1, COUNT)), (50, 50)])
def test_streamed_moments_are_the_pooled_ones_whatever_the_batches(cuts):
    x = features()
    statistics = streamed(x, cuts)
    assert statistics.count == COUNT
    np.testing.assert_allclose(statistics.mean, x.mean(0), rtol=1e-12)
    np.testing.assert_allclose(statistics.covariance, np.cov(x, rowvar=False), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("cuts", [(), (1,), (3, 17, 64)])
def test_leaving_a_group_out_leaves_out_every_gth_image(cuts):
    x, statistics = features(), streamed(features(), cuts)
    for group in range(GROUPS):
        kept = x[np.arange(COUNT) % GROUPS != group]
        mean, covariance = statistics.leave_out(group)
        np.testing.assert_allclose(mean, kept.mean(0), rtol=1e-12)
        np.testing.assert_allclose(covariance, np.cov(kept, rowvar=False), rtol=1e-11, atol=1e-12)


def test_float32_features_are_summed_in_float64():
    x = features().astype(np.float32)
    np.testing.assert_allclose(streamed(x).covariance, np.cov(x.astype(float), rowvar=False), rtol=1e-11, atol=1e-12)


def test_a_mean_far_from_zero_costs_no_more_digits_than_the_docstring_says():
    x = features()
    assert (
        abs(np.diag(streamed(x + 100.0).covariance) / x.var(0, ddof=1) - 1).max() < 1e-10
    )  # mean^2 / variance is 1e4 at most


def test_merging_is_associative_and_commutative():
    x = features()
    parts = [streamed(x[:10]), streamed(x[10:55], first=10), streamed(x[55:], first=55)]
    for order in ([0, 1, 2], [2, 1, 0], [1, 2, 0]):
        a, b, c = (parts[i] for i in order)
        assert_same((a + b) + c, streamed(x))
        assert_same(a + (b + c), streamed(x))


def test_merging_leaves_its_parts_as_they_were():
    a, b = streamed(features(seed=1)), streamed(features(seed=2))
    merged = a + b
    merged.add(features(), 0)
    assert_same(a, streamed(features(seed=1)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"extractor": "small/bb"}, "differ in extractor: small/aa, small/bb"),
        ({"data": "other run"}, "differ in data: run, other run"),
        ({"image_shape": (1, 28, 28)}, r"differ in image shape: \(1, 32, 32\), \(1, 28, 28\)"),
    ],
)
def test_unlike_statistics_are_not_merged(change, message):
    with pytest.raises(ValueError, match=message) as error:
        streamed(features()) + streamed(features(), **change)
    assert "\n" not in str(error.value)


def test_statistics_in_other_groups_are_not_merged():
    with pytest.raises(ValueError, match=r"\(4, 5\) and \(1, 5\) cannot be merged"):
        streamed(features()) + Statistics.empty(**KIND, dim=DIM, groups=1)


def test_features_that_do_not_fit_or_are_not_finite_are_refused():
    statistics, x = streamed(features()), features()
    with pytest.raises(ValueError, match="do not fit statistics of 5 features"):
        statistics.add(x[:, :3], 0)
    x[7, 2] = np.nan
    with pytest.raises(ValueError, match="image 107 of run are not finite"):
        statistics.add(x, 100)
    assert_same(statistics, streamed(features()))


def test_too_few_images_have_no_covariance():
    with pytest.raises(ValueError, match="statistics of run have 1 images; a covariance needs two"):
        _ = streamed(features(1)).covariance


def test_saved_statistics_load_as_they_were_and_equal_ones_are_equal_bytes(tmp_path):
    statistics = streamed(features())
    for name in ("a.npz", "b.npz"):
        statistics.save(tmp_path / name)
    loaded = Statistics.load(tmp_path / "a.npz", sha256(tmp_path / "b.npz"))
    assert_same(loaded, statistics)
    np.testing.assert_array_equal(loaded.outer, statistics.outer)
    assert_same(loaded + loaded, statistics + statistics)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npz", "b.npz"]


def halved(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def altered(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)


def array(path):
    with open(path, "wb") as file:
        np.save(file, np.ones(3))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (halved, "damaged .*; delete it and make it again"),
        (altered, "damaged .*; delete it and make it again"),
        (lambda path: path.write_bytes(b""), "damaged .*; delete it and make it again"),
        (lambda path: path.write_text("no archive", encoding="utf-8"), "damaged .*; delete it and make it again"),
        (array, "damaged .*; delete it and make it again"),
        (lambda path: np.savez(path, mu=np.ones(3), sigma=np.eye(3)), "damaged .*; delete it and make it again"),
        (lambda path: path.unlink(), "missing; restore it"),
    ],
)
def test_a_damaged_file_is_one_line_that_names_it_and_the_remedy(tmp_path, damage, message):
    path = tmp_path / "reference.npz"
    streamed(features()).save(path)
    damage(path)
    with pytest.raises(DamagedFile, match=f"reference.npz is {message}") as error:
        Statistics.load(path)
    assert "\n" not in str(error.value)


def test_statistics_of_another_hash_are_refused(tmp_path):
    streamed(features()).save(tmp_path / "a.npz")
    with pytest.raises(DamagedFile, match="expected 000000000000"):
        Statistics.load(tmp_path / "a.npz", "0" * 64)


def test_neither_statistics_nor_metrics_import_torch():
    code = "import sys, morse.quality.frechet, morse.quality.statistics\n"
    code += "sys.exit('torch' in sys.modules or 'scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
