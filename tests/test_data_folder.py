"""A folder of one's own images as a data set."""

import numpy as np
import pytest
from PIL import Image

from morse.data.folder import prepare
from morse.data.loading import load_split, shapes_of
from morse.files import DamagedFile

DATA = {"kind": "folder", "size": 8}


def fill(folder, count, start=0, size=(8, 8)):
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(start, start + count):
        Image.fromarray(np.full((*size, 3), index, np.uint8)).save(folder / f"{index:03}.png")


def made(tmp_path, folder):
    output = tmp_path / "data" / "own" / "dataset.json"
    prepare(DATA | {"folder": str(folder)}, tmp_path / "nowhere", output)
    return output


def values(output, split):
    return load_split(DATA | {"file": str(output)}, split).images[:, 0, 0, 0].tolist()


def test_every_tenth_file_is_held_out(tmp_path):
    fill(tmp_path / "own" / "b", 12)
    fill(tmp_path / "own" / "a", 10, start=100)
    output = made(tmp_path, tmp_path / "own")
    assert values(output, "test") == [100, 0, 10]
    assert values(output, "train") == [*range(101, 110), *range(1, 10), 11]


def test_sub_folders_train_and_test_are_the_splits(tmp_path):
    fill(tmp_path / "own" / "train", 3)
    fill(tmp_path / "own" / "test", 2, start=50)
    output = made(tmp_path, tmp_path / "own")
    assert (values(output, "train"), values(output, "test")) == ([0, 1, 2], [50, 51])


def test_classes_are_the_folders_that_images_lie_in_the_same_in_both_splits(tmp_path):
    for split, names in (("train", "cat dog owl"), ("test", "dog owl")):
        for index, name in enumerate(names.split()):
            fill(tmp_path / "own" / split / name, 2, start=index * 10)
    output = made(tmp_path, tmp_path / "own")
    labels = {split: load_split(DATA | {"file": str(output)}, split).labels.tolist() for split in ("train", "test")}
    assert labels == {"train": [0, 0, 1, 1, 2, 2], "test": [1, 1, 2, 2]}


def test_hidden_files_and_folders_are_not_read(tmp_path):
    fill(tmp_path / "own", 12)
    fill(tmp_path / "own" / ".ipynb_checkpoints", 3)
    (tmp_path / "own" / ".DS_Store").touch()
    assert shapes_of(made(tmp_path, tmp_path / "own")) == {"train": (10, 3, 8, 8), "test": (2, 3, 8, 8)}


def test_images_are_shrunk(tmp_path):
    fill(tmp_path / "own", 2, size=(32, 20))
    assert shapes_of(made(tmp_path, tmp_path / "own")) == {"train": (1, 3, 8, 8), "test": (1, 3, 8, 8)}


def test_the_first_image_that_does_not_fit_is_named_and_nothing_is_left(tmp_path):
    fill(tmp_path / "own", 3)
    fill(tmp_path / "own", 1, start=3, size=(6, 9))
    with pytest.raises(ValueError, match=r"003.png is 9 x 6, smaller than 8 x 8"):
        made(tmp_path, tmp_path / "own")
    assert not (tmp_path / "data" / "own" / "dataset.json").exists()


def test_a_missing_or_empty_folder_is_one_line(tmp_path):
    with pytest.raises(DamagedFile, match="own is no folder"):
        made(tmp_path, tmp_path / "own")
    (tmp_path / "own").mkdir()
    with pytest.raises(DamagedFile, match="own has no images"):
        made(tmp_path, tmp_path / "own")
    fill(tmp_path / "own", 1)
    with pytest.raises(ValueError, match="own has one image; a data set has two or more"):
        made(tmp_path, tmp_path / "own")
    (tmp_path / "own" / "notes.txt").write_text("no image", encoding="utf-8")
    with pytest.raises(ValueError, match="notes.txt is none of .jpg"):
        made(tmp_path, tmp_path / "own")
