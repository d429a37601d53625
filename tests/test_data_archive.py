"""Data set files, and the one that ships."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from morse.data.archive import read_split, write_dataset
from morse.data.loading import load_split
from morse.experiments.cards import read_card
from morse.files import DamagedFile, open_npz, sha256, write_npz

ROOT = Path(__file__).parents[1]


def images_of(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "shapes.npz"
    train, test = images_of(5, 6, 6), images_of(3, 6, 6)
    write_dataset(path, {"train": (train, np.arange(5)), "test": (test, np.array([7, 8, 9]))})
    return path


def test_a_round_trip_keeps_every_pixel_and_label(file):
    split = read_split(file, "test", 6)
    assert np.array_equal(split.images, images_of(3, 6, 6)[:, None])
    assert split.labels.tolist() == [7, 8, 9]
    assert (split.images.dtype, split.labels.dtype, split.images.shape) == (np.uint8, np.uint8, (3, 1, 6, 6))
    assert len(read_split(file, "train", 6).images) == 5


def test_colour_images_keep_their_channels(tmp_path):
    images = images_of(4, 3, 8, 8)
    write_dataset(tmp_path / "c.npz", {"train": (images, np.zeros(4, int))})
    assert np.array_equal(read_split(tmp_path / "c.npz", "train", 8).images, images)


def test_the_margin_is_zero_on_all_sides(file):
    images = read_split(file, "test", 10).images
    assert images.shape == (3, 1, 10, 10)
    assert np.array_equal(images[:, 0, 2:8, 2:8], images_of(3, 6, 6))
    images[:, :, 2:8, 2:8] = 0
    assert not images.any()


def test_identity_names_data_split_and_size(file):
    names = {read_split(file, split, size).identity for split in ("train", "test") for size in (6, 8)}
    assert len(names) == 4 and f"shapes/{sha256(file)}/test/8x8/zero-padded" in names
    assert read_split(file, "test", 8, sha256(file)).identity in names


def test_equal_data_give_equal_bytes(file, tmp_path):
    splits = {"train": (images_of(5, 6, 6), np.arange(5)), "test": (images_of(3, 6, 6), np.array([7, 8, 9]))}
    write_dataset(tmp_path / "again.npz", splits)
    assert (tmp_path / "again.npz").read_bytes() == file.read_bytes()


@pytest.mark.parametrize("size", [4, 7])
def test_images_that_do_not_fit_raise_one_line(file, size):
    with pytest.raises(ValueError, match=rf"images of \(6, 6\) in .*shapes\.npz cannot be centred in {size} x {size}"):
        read_split(file, "test", size)


def damaged(path, message, split="test", expected=None):
    with pytest.raises(DamagedFile, match=message) as error:
        read_split(path, split, 6, expected)
    assert "\n" not in str(error.value) and str(path) in str(error.value)


def test_a_missing_file_or_split_is_named(file):
    damaged(file.with_name("absent.npz"), "data set .* is missing")
    for split, hint in (("tset", "did you mean 'test'?"), ("validation", "use one of them")):
        with pytest.raises(ValueError) as error:  # the file is whole
            read_split(file, split, 6)
        assert str(error.value) == f"data set {file} has no split {split!r}; it has: test, train; {hint}"
    write_npz(file, weights=np.ones(3))
    damaged(file, "damaged .it has no splits")


def test_a_file_whose_labels_are_not_of_its_images_is_damaged(file):
    with open_npz(file, "file", "") as arrays:
        content = dict(arrays)
    write_npz(file, **content | {"test_labels": content["train_labels"]})
    damaged(file, "3 images need as many labels")


def test_a_hash_in_capitals_is_the_same_hash_and_one_cut_short_says_so(file):
    small = read_split(file, "test", 8, sha256(file))
    assert read_split(file, "test", 8, sha256(file).upper()).identity == small.identity
    with pytest.raises(ValueError, match=r"^the expected sha256 of .*shapes\.npz has 12 digits, not 64; give"):
        read_split(file, "test", 6, sha256(file)[:12])


SIZES = st.integers(1, 5)


@settings(max_examples=15)  # LZMA claims much memory for each file
@given(
    st.data(), st.lists(st.sampled_from(["train", "train_images", "test-2", "é", "_shape"]), min_size=1, unique=True)
)
def test_what_is_written_comes_back_equal(tmp_path_factory, data, names):
    path, splits = tmp_path_factory.mktemp("any") / "d.npz", {}
    for name in names:
        n, size, channels = (data.draw(part) for part in (SIZES, SIZES, st.sampled_from([(), (1,), (3,)])))
        images = images_of(n, *channels, size, size)
        kind = data.draw(st.sampled_from([np.uint8, np.int64, ">i4", np.uint16]))
        splits[name] = images, np.array(data.draw(st.lists(st.integers(0, 255), min_size=n, max_size=n)), kind)
    write_dataset(path, splits)
    for name, (images, labels) in splits.items():
        found = read_split(path, name, images.shape[-1])
        assert np.array_equal(found.images, images.reshape(found.images.shape)) and found.images.ndim == 4
        assert found.labels.dtype == np.uint8 and found.labels.tolist() == labels.tolist()


GOOD = images_of(4, 6, 6)
WRONG = {
    "floats": (GOOD.astype(float), np.arange(4), "not float64 (4, 1, 6, 6)"),
    "int64": (GOOD.astype(np.int64), np.arange(4), "not int64"),
    "bool": (GOOD > 9, np.arange(4), "not bool"),
    "objects": (GOOD.astype(object), np.arange(4), "not object"),
    "no array": (GOOD.tolist(), np.arange(4), "not a list"),
    "masked": (np.ma.masked_array(GOOD), np.arange(4), "not a MaskedArray"),
    "one image": (GOOD[0], np.arange(6), "not uint8 (6, 6)"),
    "channels last": (images_of(4, 6, 6, 3), np.arange(4), "not uint8 (4, 6, 6, 3)"),
    "two channels": (images_of(4, 2, 6, 6), np.arange(4), "not uint8 (4, 2, 6, 6)"),
    "none": (GOOD[:0], np.arange(0), "not uint8 (0, 1, 6, 6)"),
    "no pixels": (GOOD[:, :0, :0], np.arange(4), "not uint8 (4, 1, 0, 0)"),
    "not square": (GOOD[:, :4], np.arange(4), "images must be square, not (4, 6)"),
    "fewer labels": (GOOD, np.arange(3), "4 images need as many labels, not an array (3,)"),
    "labels in a column": (GOOD, np.arange(4)[:, None], "not an array (4, 1)"),
    "one label": (GOOD, 3, "not an array ()"),
    "large labels": (GOOD, np.array([0, 1, 2, 256]), "whole numbers from 0 to 255, not 0 to 256"),
    "negative labels": (GOOD, np.array([0, 1, 2, -1]), "not -1 to 2"),
    "float labels": (GOOD, np.arange(4.0), "not float64"),
    "bool labels": (GOOD, np.ones(4, bool), "not bool"),
    "text labels": (GOOD, np.array(list("abcd")), "not <U1"),
}


@pytest.mark.parametrize(("images", "labels", "message"), WRONG.values(), ids=WRONG)
def test_what_the_file_cannot_hold_is_refused_in_one_line(tmp_path, images, labels, message):
    path = tmp_path / "d.npz"
    with pytest.raises(ValueError) as error:
        write_dataset(path, {"train": (GOOD, np.arange(4)), "test": (images, labels)})
    assert str(error.value).startswith(f"{path}: split 'test': ") and message in str(error.value)
    assert "\n" not in str(error.value) and not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["", "a/b", "a b", 3, None, "a.npy", "a\0", "a\n"])
def test_a_split_that_cannot_be_named_in_a_file_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match="a split's name is of letters, digits, - and _; rename it"):
        write_dataset(tmp_path / "d.npz", {name: (GOOD, np.arange(4))})
    with pytest.raises(ValueError, match="a data set without splits"):
        write_dataset(tmp_path / "d.npz", {})
    assert not list(tmp_path.iterdir())


def test_an_altered_file_is_named(file):
    read_split(file, "test", 6, sha256(file))
    damaged(file, "is damaged: sha256 .*expected abababababab", expected="ab" * 32)


def test_a_damaged_file_is_named(file):
    content = file.read_bytes()
    middle = len(content) // 2
    flipped = bytearray(content)
    flipped[content.index(b"test_images_xz.npy") + 60] ^= 0xFF
    for wrong in (b"", content[:10], content[:middle], content[middle:], b"no archive at all", bytes(flipped)):
        file.write_bytes(wrong)
        damaged(file, "split 'test' of data set .* is damaged")


def test_an_array_in_place_of_an_archive_is_named(tmp_path):
    path = tmp_path / "plain.npz"
    with open(path, "wb") as file:
        np.save(file, np.zeros(3))
    damaged(path, "split 'test' of data set .* is damaged")


@pytest.fixture(scope="module")
def fashion():
    data = read_card("task", "fashion-mnist")["data"]
    return {split: load_split(data, split) for split in ("train", "test")}


def test_shipped_fashion_mnist_is_whole(fashion):
    assert {split: data.images.shape for split, data in fashion.items()} == {
        "train": (60000, 1, 32, 32),
        "test": (10000, 1, 32, 32),
    }
    for data, of_a_class in ((fashion["train"], 6000), (fashion["test"], 1000)):
        assert np.bincount(data.labels).tolist() == [of_a_class] * 10
        assert data.images[:, 0, 2:30, 2:30].any((1, 2)).all()
        assert not data.images[:, :, :2].any() and not data.images[..., 30:].any()


def test_shipped_fashion_mnist_is_the_published_one_and_upright(fashion):
    pixels, labels = fashion["train"].images[:, 0, 2:30, 2:30] / np.float32(255), fashion["train"].labels
    assert (pixels.mean(), pixels.std()) == (pytest.approx(0.2860, abs=1e-4), pytest.approx(0.3530, abs=1e-4))
    boot = pixels[labels == 9].mean(0)  # the shaft is above on the right, the toe below on the left
    assert boot[:10, :10].mean() < 0.01 < 0.2 < min(boot[:10, 16:].mean(), boot[14:22, :10].mean())
