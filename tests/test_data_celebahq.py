"""CelebA-HQ: image files and arrays of its size, or of its doubles, which are halved."""

import numpy as np
import pytest
from PIL import Image

from morse.data.celebahq import prepare
from morse.data.prepared import read_prepared
from morse.files import DamagedFile

RNG = np.random.default_rng(0)
SIZE = 8


def pixels(side):
    return RNG.integers(0, 256, (side, side, 3), np.uint8)


def write(folder, images):
    """Image files and arrays, by the ends of their names."""
    for name, values in images.items():
        path = folder / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".npy":
            np.save(path, values)
        else:
            Image.fromarray(values).save(path)
    return folder


def prepared(originals, output, count):
    prepare({"kind": "celebahq", "size": SIZE, "images": {"all": count}}, originals, output / "dataset.json")
    return read_prepared(output / "dataset.json", "all", SIZE).images


def halved(values):
    """The means of two pixels side by side, then of two such above each other; halves go up."""
    rows = (values[:, ::2].astype(int) + values[:, 1::2] + 1) // 2
    return (rows[::2] + rows[1::2] + 1) // 2


def test_images_of_the_size_are_as_they_are_and_larger_ones_are_halved(tmp_path):
    same, double, fourfold = pixels(SIZE), pixels(2 * SIZE), pixels(4 * SIZE)
    images = {"10.png": double, "2.png": fourfold, "00001.png": same, "b/1.png": double}
    found = prepared(write(tmp_path / "in", images), tmp_path / "out", 4)
    expected = [same, halved(double), halved(halved(fourfold)), halved(double)]
    np.testing.assert_array_equal(found.transpose(0, 2, 3, 1), expected)


@pytest.mark.parametrize("batch", [True, False])
def test_arrays_are_channels_first_as_the_authors_script_writes_them(tmp_path, batch):
    double = pixels(2 * SIZE)
    array = double.transpose(2, 0, 1)
    found = prepared(write(tmp_path / "in", {"imgHQ00000.npy": array[None] if batch else array}), tmp_path / "out", 1)
    np.testing.assert_array_equal(found[0].transpose(1, 2, 0), halved(double))


@pytest.mark.parametrize(
    ("images", "error", "line"),
    [
        ({"1.png": pixels(SIZE // 2)}, ValueError, r"1\.png is of 4 x 4, not of 8 or its doubles; get another copy"),
        ({"1.png": pixels(3 * SIZE)}, ValueError, r"1\.png is of 24 x 24, not of 8 or its doubles"),
        ({"1.png": pixels(2 * SIZE)[:SIZE]}, ValueError, r"1\.png is of 16 x 8, not of 8"),
        ({"1.npy": pixels(SIZE)}, ValueError, r"1\.npy is uint8 \(8, 8, 3\), not uint8 \(3, H, W\)"),
        ({"1.npy": np.zeros((3, 8, 8))}, ValueError, r"1\.npy is float64 \(3, 8, 8\), not uint8"),
        ({"1.npy": np.array([{}])}, DamagedFile, r"1\.npy is damaged .*; get it again"),
        ({"1.png": pixels(SIZE), "2.png": pixels(SIZE)}, ValueError, "has 2 images of all, and .* says 1"),
    ],
)
def test_foreign_images_are_named(tmp_path, images, error, line):
    with pytest.raises(error, match=line) as caught:
        prepared(write(tmp_path / "in", images), tmp_path / "out", 1)
    assert "\n" not in str(caught.value) and not (tmp_path / "out" / "dataset.json").exists()


@pytest.mark.parametrize("name", ["1.png", "1.npy"])
def test_truncated_images_are_named(tmp_path, name):
    side = 4 * SIZE
    folder = write(tmp_path / "in", {name: pixels(side) if name == "1.png" else np.zeros((3, side, side), np.uint8)})
    path = folder / "images" / name
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(DamagedFile, match=rf"{name}"):
        prepared(folder, tmp_path / "out", 1)


def test_an_array_with_a_damaged_header_is_one_line(tmp_path):
    folder = write(tmp_path / "in", {"1.npy": np.zeros((3, SIZE, SIZE), np.uint8)})
    path = folder / "images" / "1.npy"
    path.write_bytes(path.read_bytes().replace(b"'shape'", b"'shape("))
    with pytest.raises(DamagedFile, match=r"1\.npy is damaged .*; get it again") as caught:
        prepared(folder, tmp_path / "out", 1)
    assert "\n" not in str(caught.value)


def test_missing_and_foreign_files_are_one_line(tmp_path):
    with pytest.raises(DamagedFile, match="has no folder images; get the data set"):
        prepared(tmp_path, tmp_path / "out", 1)
    folder = write(tmp_path / "in", {"1.png": pixels(SIZE)})
    (folder / "images" / "readme.txt").write_text("", encoding="utf-8")
    with pytest.raises(ValueError, match=r"readme\.txt is none of .*; move it out"):
        prepared(folder, tmp_path / "out", 1)


def test_the_last_images_are_held_out(tmp_path):
    images = {f"{index}.png": np.full((SIZE, SIZE, 3), index, np.uint8) for index in range(5)}
    prepared(write(tmp_path / "in", images), tmp_path / "out", 5)
    path = tmp_path / "out" / "dataset.json"
    values = {split: read_prepared(path, split, SIZE).images[:, 0, 0, 0].tolist() for split in ("train", "test", "all")}
    assert values == {"train": [0, 1, 2], "test": [3, 4], "all": [0, 1, 2, 3, 4]}
