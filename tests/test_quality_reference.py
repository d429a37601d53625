"""The reference of a task: statistics that ship or are made again, and features."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from morse.data.archive import write_dataset
from morse.data.loading import load_split
from morse.experiments.cards import read_card
from morse.files import DamagedFile, sha256
from morse.quality.extractors import load_extractor
from morse.quality.extractors.fashion_classifier import SmallClassifier
from morse.quality.features import Features
from morse.quality.reference import save_reference
from morse.quality.statistics import Statistics


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A task card's data, of a small file."""
    path, rng = tmp_path_factory.mktemp("data") / "shapes.npz", np.random.default_rng(0)
    splits = {"train": 5, "test": 12}
    write_dataset(
        path, {name: (rng.integers(0, 256, (n, 28, 28), np.uint8), np.zeros(n, int)) for name, n in splits.items()}
    )
    return {"file": str(path), "sha256": sha256(path), "size": 32}


def classifier(folder, seed):
    """An extractor's card, of random weights."""
    torch.manual_seed(seed)
    path = folder / f"classifier-{seed}.safetensors"
    save_file(SmallClassifier().state_dict(), path)
    return read_card("extractor", "fashion-classifier") | {"weights": {"file": str(path), "sha256": sha256(path)}}


@pytest.fixture(scope="module")
def card(tmp_path_factory):
    return classifier(tmp_path_factory.mktemp("extractor"), 0)


@pytest.fixture
def files(tmp_path):
    return tmp_path / "statistics.npz", tmp_path / "features.npz"


def expected(data, card, split="test"):
    """The extractor's identity, the images' identity, and their features."""
    images, extractor = load_split(data, split), load_extractor(card)
    return extractor.identity, images.identity, extractor(images.images)


def statistics_of(extractor, identity, features):
    statistics = Statistics.empty(extractor, identity, (1, 32, 32), features.shape[1], groups=1)
    statistics.add(features, 0)
    return statistics


def assert_same(found, other):
    assert (found.extractor, found.data, found.image_shape) == (other.extractor, other.data, other.image_shape)
    for name in ("n", "sum", "outer"):
        np.testing.assert_allclose(getattr(found, name), getattr(other, name), rtol=1e-12)


@pytest.mark.parametrize("split", ["train", "test"])
def test_without_shipped_statistics_they_are_of_the_split_s_images(data, card, files, split, capsys):
    save_reference(data, split, card, None, *files)
    extractor, identity, features = expected(data, card, split)
    assert f"/{split}/" in identity
    assert_same(Statistics.load(files[0]), statistics_of(extractor, identity, features))
    saved = Features.load(files[1])
    assert (saved.extractor, saved.data, saved.first) == (extractor, identity, 0)
    np.testing.assert_allclose(saved.values, features, rtol=1e-6)
    assert "statistics" not in capsys.readouterr().err


def shipped(folder, statistics):
    statistics.save(folder / "shipped.npz")
    return {"file": str(folder / "shipped.npz"), "sha256": sha256(folder / "shipped.npz")}


def test_shipped_statistics_are_taken_as_they_are(data, card, files, tmp_path, capsys):
    """They are those of another machine, and so differ a little from what this one would find."""
    extractor, identity, features = expected(data, card)
    theirs = statistics_of(extractor, identity, features * 1.001)
    save_reference(data, "test", card, shipped(tmp_path, theirs), *files)
    assert_same(Statistics.load(files[0]), theirs)
    np.testing.assert_allclose(Features.load(files[1]).values, features, rtol=1e-6)
    assert "statistics" not in capsys.readouterr().err


@pytest.mark.parametrize("changed", ["extractor", "split", "size"])
def test_shipped_statistics_of_another_extractor_or_other_images_are_made_again(
    data, card, files, tmp_path, capsys, changed
):
    of = {
        "extractor": (data, classifier(tmp_path, 1), "test"),
        "split": (data, card, "train"),
        "size": ({**data, "size": 34}, card, "test"),
    }[changed]
    extractor, identity = load_extractor(of[1]).identity, load_split(of[0], of[2]).identity
    _, _, features = expected(data, card)
    theirs = shipped(tmp_path, statistics_of(extractor, identity, features * 1.001))
    save_reference(data, "test", card, theirs, *files)
    assert_same(Statistics.load(files[0]), statistics_of(*expected(data, card)))
    lines = [line for line in capsys.readouterr().err.splitlines() if "statistics" in line]
    assert lines == [f"{theirs['file']} is of another extractor or data: the statistics are made again"]


def test_altered_shipped_statistics_are_refused(data, card, files, tmp_path):
    theirs = shipped(tmp_path, statistics_of(*expected(data, card)))
    with pytest.raises(DamagedFile, match=r"shipped\.npz is damaged: sha256 .*expected 00000"):
        save_reference(data, "test", card, theirs | {"sha256": "0" * 64}, *files)
    assert not files[0].exists()


def test_altered_data_are_refused(data, card, files):
    with pytest.raises(DamagedFile, match=r"shapes\.npz is damaged: sha256 .*expected 00000"):
        save_reference(data | {"sha256": "0" * 64}, "test", card, None, *files)
    assert not files[0].exists() and not files[1].exists()
