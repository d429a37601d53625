"""The reference of a task: statistics that ship or are made again, and features."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import morse.quality.reference as module
from morse.data.archive import write_dataset
from morse.data.loading import load_split
from morse.experiments.cards import read_card
from morse.files import DamagedFile, sha256
from morse.quality.extractors import load_extractor
from morse.quality.extractors.fashion_classifier import SmallClassifier
from morse.quality.features import Features, of_one_reference
from morse.quality.reference import kept_indices, save_reference
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


def assert_same(found, other, rtol=1e-12):
    assert (found.extractor, found.data, found.image_shape) == (other.extractor, other.data, other.image_shape)
    for name in ("n", "sum", "outer"):
        np.testing.assert_allclose(getattr(found, name), getattr(other, name), rtol=rtol, atol=10 * rtol)


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


@pytest.mark.parametrize("block", [1, 5, 12, 100])
def test_statistics_of_blocks_are_those_of_all_images(data, card, files, monkeypatch, block):
    monkeypatch.setattr(module, "BLOCK", block)
    save_reference(data, "test", card, None, *files)
    # The network rounds a batch of another size otherwise.
    assert_same(Statistics.load(files[0]), statistics_of(*expected(data, card)), rtol=1e-4)
    np.testing.assert_allclose(Features.load(files[1]).values, expected(data, card)[2], atol=1e-5)


def test_a_batch_of_the_extractor_is_the_most_that_is_read_at_once(data, card, files, monkeypatch):
    read, loaded = [], load_extractor(card)
    embed = loaded.embed
    small = replace(loaded, batch_size=5, embed=lambda images: (read.append(len(images)), embed(images))[1])
    monkeypatch.setattr(module, "load_extractor", lambda *_: small)
    save_reference(data, "test", card, None, *files)
    assert read == [5, 5, 2]


@pytest.mark.parametrize("of", ["computed", "shipped"])
def test_of_many_images_some_features_are_kept_and_say_so(data, card, files, tmp_path, monkeypatch, of):
    """The statistics are of all images."""
    monkeypatch.setattr(module, "FEATURES_KEPT", 5)
    extractor, identity, features = expected(data, card)
    all_of_them = statistics_of(extractor, identity, features)
    save_reference(data, "test", card, shipped(tmp_path, all_of_them) if of == "shipped" else None, *files)
    assert_same(Statistics.load(files[0]), all_of_them)
    saved = Features.load(files[1])
    assert (saved.data, saved.first) == (f"{identity}/5 of 12", 0)
    np.testing.assert_allclose(saved.values, features[[0, 2, 4, 7, 9]], rtol=1e-6)
    assert of_one_reference(saved.data, identity) and not of_one_reference(saved.data, identity + "x")


@pytest.mark.parametrize(("images", "kept"), [(3, [0, 1, 2]), (4, [0, 1, 2, 3]), (5, [0, 1, 2, 3]), (8, [0, 2, 4, 6])])
def test_kept_images_are_spread_evenly(monkeypatch, images, kept):
    monkeypatch.setattr(module, "FEATURES_KEPT", 4)
    assert kept_indices(images).tolist() == kept


def test_indices_of_large_sets_do_not_overflow():
    kept = kept_indices(100_000_000)
    assert len(kept) == module.FEATURES_KEPT and set(np.diff(kept)) == {2000}


def published(folder, extractor, features):
    """A card's published statistics, and the mean and covariance that they hold."""
    mean, covariance = features.mean(0), np.cov(features.T)
    np.savez(folder / "theirs.npz", mu=mean, sigma=covariance)
    entry = {"file": str(folder / "theirs.npz"), "sha256": sha256(folder / "theirs.npz")}
    return entry | {"name": "theirs", "images": 12}, mean, covariance


def test_published_statistics_are_the_reference_and_features_are_the_data_s(data, card, files, tmp_path):
    extractor, identity, features = expected(data, card)
    entry, mean, covariance = published(tmp_path, extractor, features * 1.1)
    save_reference(data, "test", card, None, *files, published=entry)
    found, saved = Statistics.load(files[0]), Features.load(files[1])
    assert (found.extractor, found.data) == (extractor, f"published/theirs/{entry['sha256']}")
    assert (found.image_shape, found.count) == ((1, 32, 32), 12)
    np.testing.assert_allclose(found.mean, mean, rtol=1e-9)
    np.testing.assert_allclose(found.covariance, covariance, rtol=1e-9, atol=1e-9 * covariance.max())
    assert saved.data == identity and of_one_reference(saved.data, found.data)
    np.testing.assert_allclose(saved.values, features, rtol=1e-6)


def test_shipped_statistics_come_before_published_ones_and_those_before_computed_ones(data, card, files, tmp_path):
    extractor, identity, features = expected(data, card)
    entry, _, _ = published(tmp_path, extractor, features)
    theirs = shipped(tmp_path, statistics_of(extractor, identity, features))
    save_reference(data, "test", card, theirs, *files, published=entry)
    assert Statistics.load(files[0]).data == identity
    unlike = shipped(tmp_path, statistics_of("another", identity, features))
    save_reference(data, "test", card, unlike, *files, published=entry)
    assert Statistics.load(files[0]).data.startswith("published/theirs/")


LIMITED = """
import re, resource, sys
from pathlib import Path
import numpy as np
import torch
import morse.quality.reference as module
from morse.data.batches import draw_batch
from morse.data.prepared import read_prepared, write_prepared
from morse.quality.extractors.base import Extractor

folder, image, count = Path(sys.argv[1]), np.ones((3, 256, 256), np.uint8), 1600
path = folder / "dataset.json"
write_prepared(path, "folder", "", {}, image.shape, {"train": (count, ((image, 1) for _ in range(count)))})
extractor = Extractor("first", 8, "first", lambda images: images.flatten(1)[:, :8].float(), batch_size=20)
module.load_extractor = lambda card, device: extractor
images = read_prepared(path, "train", 256).images
extractor(images[:20]), draw_batch(images, 20, torch.Generator().manual_seed(0), True)  # buffers that stay
status = Path("/proc/self/status").read_text(encoding="utf-8")
limit = (int(re.search(r"VmData:\\s+(\\d+) kB", status)[1]) + 100_000) * 1024
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
draw_batch(images, 20, torch.Generator().manual_seed(1), True)
data = {"file": str(path), "size": 256}
module.save_reference(data, "train", {}, None, folder / "statistics.npz", folder / "features.npz")
try:
    np.array(images)
except MemoryError:
    print("a copy does not fit in")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems limit memory otherwise")
def test_a_set_larger_than_memory_is_trained_on_and_is_a_reference(tmp_path):
    """300 MB of images, within 100 MB beyond what the modules take."""
    made = subprocess.run([sys.executable, "-c", LIMITED, str(tmp_path)], capture_output=True, encoding="utf-8")
    assert (made.returncode, made.stdout) == (0, "a copy does not fit in\n"), made.stderr
    assert Statistics.load(tmp_path / "statistics.npz").count == 1600
