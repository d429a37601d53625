"""Statistics that others publish: their moments come back, and other files are one line."""

import numpy as np
import pytest

from morse.files import DamagedFile, sha256
from morse.quality.extractors.base import Extractor
from morse.quality.published_statistics import read_published
from morse.quality.statistics import Statistics

DIM = 6
RNG = np.random.default_rng(0)
X = RNG.normal(30.0, 1.0, (50, DIM))
MU, SIGMA = X.mean(0), np.cov(X.T)
EXTRACTOR = Extractor("some", DIM, "some/identity", embed=None)


def card(folder, images=50_000, **arrays):
    path = folder / "theirs.npz"
    np.savez(path, **arrays)
    return {"file": str(path), "sha256": sha256(path).upper(), "name": "theirs", "images": images}


@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_mean_and_covariance_come_back(tmp_path, kind):
    mean, covariance = MU.astype(kind), SIGMA.astype(kind)
    entry = card(tmp_path, mu=mean, sigma=covariance)
    found = read_published(entry, EXTRACTOR, (3, 64, 64))
    assert (found.extractor, found.image_shape, found.count) == ("some/identity", (3, 64, 64), 50_000)
    assert found.data == f"published/theirs/{entry['sha256'].lower()}"
    np.testing.assert_allclose(found.mean, mean, rtol=1e-9)
    np.testing.assert_allclose(found.covariance, covariance, rtol=1e-9, atol=1e-9)
    found.save(tmp_path / "again.npz")
    np.testing.assert_array_equal(Statistics.load(tmp_path / "again.npz").outer, found.outer)


def test_they_are_those_of_the_images_themselves(tmp_path):
    streamed = Statistics.empty("some/identity", "images", (3, 64, 64), DIM, groups=1)
    streamed.add(X, 0)
    found = read_published(card(tmp_path, len(X), mu=MU, sigma=SIGMA), EXTRACTOR, (3, 64, 64))
    for name in ("n", "sum", "outer"):
        np.testing.assert_allclose(getattr(found, name), getattr(streamed, name), rtol=1e-12)


def changed(array, place, value):
    array = array.copy()
    array[place] = value
    return array


@pytest.mark.parametrize(
    ("arrays", "line"),
    [
        ({"mean": MU, "sigma": SIGMA}, r"it has no mu, but mean, sigma"),
        ({"mu": MU}, r"it has no sigma, but mu"),
        ({"mu": MU[:-1], "sigma": SIGMA}, r"mu is float64 \(5,\), not floats \(6,\)"),
        ({"mu": MU, "sigma": SIGMA[:-1]}, r"sigma is float64 \(5, 6\), not floats \(6, 6\)"),
        ({"mu": MU.astype(int), "sigma": SIGMA}, r"mu is int64 \(6,\), not floats"),
        ({"mu": changed(MU, 1, np.nan), "sigma": SIGMA}, "mu is not finite"),
        ({"mu": MU, "sigma": changed(SIGMA, (2, 2), np.inf)}, "sigma is not finite"),
        ({"mu": MU, "sigma": changed(SIGMA, (0, 1), 5.0)}, "sigma is not symmetric"),
        ({"mu": MU, "sigma": -SIGMA}, "sigma has a negative variance"),
    ],
)
def test_other_files_are_one_line_with_the_remedy(tmp_path, arrays, line):
    with pytest.raises(DamagedFile, match=rf"theirs\.npz is damaged \({line}.*\); fetch it again, or name") as caught:
        read_published(card(tmp_path, **arrays), EXTRACTOR, (3, 64, 64))
    assert "\n" not in str(caught.value)


def test_missing_and_altered_files_are_one_line(tmp_path):
    entry = card(tmp_path, mu=MU, sigma=SIGMA)
    with pytest.raises(DamagedFile, match=r"theirs\.npz is damaged: sha256 .*expected 00000"):
        read_published(entry | {"sha256": "0" * 64}, EXTRACTOR, (3, 64, 64))
    with pytest.raises(DamagedFile, match="published statistics .*absent.npz is missing"):
        read_published(entry | {"file": str(tmp_path / "absent.npz")}, EXTRACTOR, (3, 64, 64))
