"""LSUN's churches: a database or folders, resized and cropped as torchvision does."""

import io
import sys

import numpy as np
import pytest
from PIL import Image
from torchvision.transforms import functional

import morse.data.lsun_church as module
from morse.data.lsun_church import DATABASES, FOLDERS, prepare, resized
from morse.data.prepared import read_prepared
from morse.files import DamagedFile

RNG = np.random.default_rng(0)
SIZE = 16
DATA = {"kind": "lsun-church", "size": SIZE, "images": {"train": 3, "test": 1}}


def image(width, height):
    return Image.fromarray(RNG.integers(0, 256, (height, width, 3), np.uint8))


IMAGES = {
    "train": {b"c2": image(SIZE, 27), b"a1": image(33, 40), b"b3": image(21, SIZE)},
    "test": {b"d": image(30, 24)},
}
"""Split -> key -> image. Databases give keys in order."""


def encoded(picture):
    stream = io.BytesIO()
    picture.save(stream, "WEBP", lossless=True)
    return stream.getvalue()


def database(path, contents):
    lmdb = pytest.importorskip("lmdb")
    path.mkdir(parents=True)
    with lmdb.open(str(path), map_size=2**20) as opened, opened.begin(write=True) as transaction:
        for key, content in contents.items():
            transaction.put(key, content)


def write(folder, kind, splits=("train", "test")):
    for split in splits:
        contents = {key: encoded(picture) for key, picture in IMAGES[split].items()}
        if kind == "database":
            database(folder / DATABASES[split], contents)
            continue
        (folder / FOLDERS[split]).mkdir(parents=True)
        for key, content in contents.items():
            (folder / FOLDERS[split] / f"{key.decode()}.webp").write_bytes(content)
    return folder


def expected(picture, size=SIZE):
    return np.asarray(functional.center_crop(functional.resize(picture, [size]), [size])).transpose(2, 0, 1)


@pytest.mark.parametrize("kind", ["database", "folder"])
def test_images_are_in_the_order_of_their_keys_resized_and_cropped(tmp_path, kind):
    output = tmp_path / "out" / "dataset.json"
    prepare(DATA, write(tmp_path / "in", kind), output)
    for split, pictures in IMAGES.items():
        found = read_prepared(output, split, SIZE).images
        np.testing.assert_array_equal(found, [expected(pictures[key]) for key in sorted(pictures)])


@pytest.mark.parametrize("size", [15, 16, 17])
@pytest.mark.parametrize("shape", [(16, 16), (16, 21), (40, 17), (33, 90), (15, 18), (10, 12)])
def test_resizing_and_cropping_are_torchvision_s(size, shape):
    picture = image(*shape)
    np.testing.assert_array_equal(resized(picture, size), expected(picture, size))


def test_images_of_the_size_are_only_cropped():
    picture = image(SIZE + 5, SIZE)
    pixels = np.asarray(picture)[:, 2 : SIZE + 2].transpose(2, 0, 1)  # torchvision rounds half to even
    np.testing.assert_array_equal(resized(picture, SIZE), pixels)


@pytest.mark.parametrize("kind", ["database", "folder"])
def test_validation_images_may_be_absent(tmp_path, kind):
    output = tmp_path / "out" / "dataset.json"
    prepare(DATA, write(tmp_path / "in", kind, ["train"]), output)
    assert len(read_prepared(output, "train", SIZE).images) == 3


def test_a_truncated_value_is_named_by_its_key(tmp_path):
    contents = {b"a": encoded(IMAGES["test"][b"d"]), b"bad key": encoded(IMAGES["test"][b"d"])[:60]}
    database(tmp_path / "in" / DATABASES["train"], contents)
    with pytest.raises(DamagedFile, match=r"church_outdoor_train_lmdb: bad key") as caught:
        prepare(DATA | {"images": {"train": 2}}, tmp_path / "in", tmp_path / "out" / "dataset.json")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [None, b"", b"no database" * 1000])
def test_a_damaged_database_is_one_line(tmp_path, content):
    pytest.importorskip("lmdb")
    path = tmp_path / "in" / DATABASES["train"]
    path.mkdir(parents=True)
    if content is not None:
        (path / "data.mdb").write_bytes(content)
    with pytest.raises(DamagedFile, match="church_outdoor_train_lmdb is no database or damaged .*; get it again"):
        prepare(DATA, tmp_path / "in", tmp_path / "out" / "dataset.json")


def cut(tmp_path, left_out, grow=False):
    """A database of eight images, without its last bytes. With ``grow``, something was put in and
    taken out again, which leaves empty pages."""
    lmdb = pytest.importorskip("lmdb")
    path = tmp_path / "in" / DATABASES["train"]
    database(path, {bytes([97 + number]): encoded(image(64, 64)) for number in range(8)})
    if grow:
        with lmdb.open(str(path), map_size=2**20) as opened:
            for change in (lambda t: t.put(b"z", bytes(200_000)), lambda t: t.delete(b"z")):
                with opened.begin(write=True) as transaction:
                    change(transaction)
    content = (path / "data.mdb").read_bytes()
    (path / "data.mdb").write_bytes(content[: len(content) - left_out])
    prepare(DATA | {"images": {"train": 8}}, tmp_path / "in", tmp_path / "out" / "dataset.json")


@pytest.mark.parametrize("left_out", [4096, 10 * 4096, 20 * 4096 + 100])
def test_a_database_cut_short_is_one_line_and_kills_nothing(tmp_path, left_out):
    """To read what the file no longer has would end the process without a word (SIGBUS)."""
    with pytest.raises(DamagedFile, match=r"data\.mdb ends early: .* bytes of .*\); get it again") as caught:
        cut(tmp_path, left_out)
    assert "\n" not in str(caught.value)


def test_a_database_may_lack_empty_pages_at_its_end(tmp_path):
    cut(tmp_path, 4096, grow=True)
    assert len(read_prepared(tmp_path / "out" / "dataset.json", "train", SIZE).images) == 8


def test_a_fault_of_the_database_while_it_is_read_is_one_line(tmp_path, monkeypatch):
    lmdb = pytest.importorskip("lmdb")

    def entries(_):
        raise lmdb.CorruptedError("page 7")
        yield

    monkeypatch.setattr(module, "iter", entries, raising=False)
    with pytest.raises(DamagedFile, match=r"train_lmdb is no database or damaged \(page 7\S*\); get it again"):
        cut(tmp_path, 0)


def test_without_the_package_a_database_is_one_line_with_the_remedy(tmp_path, monkeypatch):
    (tmp_path / DATABASES["train"]).mkdir()
    monkeypatch.setitem(sys.modules, "lmdb", None)
    with pytest.raises(ValueError, match=r"train_lmdb needs the package lmdb; run: pip install 'morse\[lsun\]'"):
        prepare(DATA, tmp_path, tmp_path / "out" / "dataset.json")


def test_missing_data_and_another_number_of_images_are_one_line(tmp_path):
    with pytest.raises(DamagedFile, match="has no church_outdoor_train_lmdb and no folder train; get the data set"):
        prepare(DATA, tmp_path, tmp_path / "out" / "dataset.json")
    folder = write(tmp_path / "in", "folder")
    with pytest.raises(ValueError, match="has 3 images of train, and data: images says 126227; get the whole set"):
        prepare(DATA | {"images": {"train": 126227}}, folder, tmp_path / "out" / "dataset.json")
