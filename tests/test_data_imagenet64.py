"""ImageNet 64: the down-sampled release and the images themselves, in small files."""

import tracemalloc
import zipfile

import numpy as np
import pytest
from PIL import Image

import morse.data.imagenet64 as module
from morse.data.imagenet64 import ARCHIVES, FILES, prepare, read_batch
from morse.data.prepared import read_prepared
from morse.files import DamagedFile

RNG = np.random.default_rng(0)
COUNTS = {"train": 3 * 10, "test": 4}
DATA = {"kind": "imagenet64", "size": 64, "images": COUNTS}


def batch(n):
    return RNG.integers(0, 256, (n, 64 * 64 * 3), np.uint8), RNG.integers(1, 1001, n)


@pytest.fixture(scope="module")
def release():
    """File -> its rows and classes from 1."""
    return {name: batch(3) for name in FILES["train"]} | {"val_data.npz": batch(4)}


def write(folder, release):
    folder.mkdir(exist_ok=True)
    for name, (rows, classes) in release.items():
        np.savez(folder / name, data=rows, labels=classes.tolist(), mean=rows.mean(0))
    return folder


def prepared(originals, output, data=DATA):
    prepare(data, originals, output / "dataset.json")
    return {split: read_prepared(output / "dataset.json", split, 64) for split in data["images"]}


def assert_of_the_release(found, release):
    for split, names in FILES.items():
        rows = np.concatenate([release[name][0] for name in names])
        for i, image in enumerate(rows):  # 1024 red values by rows, then green, then blue
            for channel, y, x in [(0, 0, 1), (1, 3, 0), (2, 63, 63)]:
                assert found[split].images[i, channel, y, x] == image[4096 * channel + 64 * y + x]
        np.testing.assert_array_equal(found[split].images.reshape(len(rows), -1), rows)
        labels = np.concatenate([release[name][1] for name in names]) - 1
        np.testing.assert_array_equal(found[split].labels, labels)


@pytest.mark.parametrize("block", [1, 2, 4096])
def test_the_release_is_read_in_order_by_planes_with_classes_from_0(release, tmp_path, monkeypatch, block):
    monkeypatch.setattr(module, "BLOCK", block)
    assert_of_the_release(prepared(write(tmp_path / "in", release), tmp_path / "out"), release)


def test_the_release_is_read_out_of_its_archives(release, tmp_path):
    files, originals = write(tmp_path / "files", release), tmp_path / "in"
    originals.mkdir()
    members = (FILES["train"][:5], FILES["train"][5:], FILES["test"])
    for archive, names in zip(ARCHIVES, members, strict=True):
        with zipfile.ZipFile(originals / archive, "w", zipfile.ZIP_DEFLATED) as file:
            for name in names:
                file.write(files / name, f"Imagenet64/{name}")
    assert_of_the_release(prepared(originals, tmp_path / "out"), release)
    assert not [path for path in (tmp_path / "out").iterdir() if path.name.startswith(".")]  # what was unpacked


def test_validation_images_may_be_absent(release, tmp_path):
    train = {name: release[name] for name in FILES["train"]}
    found = prepared(write(tmp_path / "in", train), tmp_path / "out", DATA | {"images": {"train": 30}})
    assert len(found["train"].images) == 30


def test_a_file_is_never_in_memory_whole(tmp_path):
    n = 3000
    np.savez(tmp_path / "large.npz", data=np.zeros((n, 12288), np.uint8), labels=np.ones(n, int))
    before = module.BLOCK
    module.BLOCK = 64
    tracemalloc.start()
    try:
        assert sum(1 for _ in read_batch(tmp_path / "large.npz")) == n
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        module.BLOCK = before
    assert peak < n * 12288 / 8


def damaged(folder, name, change):
    content = bytearray((folder / name).read_bytes())
    (folder / name).write_bytes(change(content))


def flipped(content):
    content[5000] ^= 1
    return content


def method(content, number):
    """An archive whose directory names another method of compression."""
    changed = bytearray(content)
    place = content.index(b"PK\x01\x02")
    while place >= 0:
        changed[place + 10] = number
        place = content.find(b"PK\x01\x02", place + 1)
    return bytes(changed)


def saved(**arrays):
    return lambda path: np.savez(path, **arrays)


ROWS, CLASSES = np.zeros((2, 12288), np.uint8), np.ones(2, int)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda path: path.unlink(), r"in has no train_data_batch_4\.npz; get the data set"),
        (lambda path: path.write_bytes(path.read_bytes()[:20000]), "batch_4.npz is damaged .*; get it again"),
        (lambda path: path.write_bytes(flipped(bytearray(path.read_bytes()))), "batch_4.npz is damaged .*Bad CRC-32"),
        (saved(data=ROWS), r"batch_4.npz is damaged \(There is no item named"),
        (saved(data=ROWS[:, :3072], labels=CLASSES), r"damaged \(data is uint8 \(2, 3072\), not uint8 \(2, 12288\)"),
        (saved(data=ROWS.astype(int), labels=CLASSES), r"damaged \(data is int64 \(2, 12288\), not uint8"),
        (saved(data=ROWS, labels=np.ones(3, int)), r"data is uint8 \(2, 12288\), not uint8 \(3, 12288\)"),
        (saved(data=np.asfortranarray(ROWS), labels=CLASSES), "batch_4.npz is damaged .data is uint8"),
        (saved(data=ROWS, labels=CLASSES * 0), r"batch_4.npz is damaged \(labels are 0 to 0, not 1 to 1000\)"),
        (saved(data=ROWS, labels=CLASSES * 1001), r"damaged \(labels are 1001 to 1001, not 1 to 1000\)"),
        (saved(data=ROWS, labels=CLASSES / 2), r"damaged \(labels are float64 \(2,\), not whole numbers \(n,\)\)"),
        (saved(data=ROWS, labels=CLASSES[:, None]), r"damaged \(labels are int64 \(2, 1\), not whole numbers"),
        (saved(data=ROWS, labels=np.int64(2)), r"damaged \(labels are int64 \(\), not whole numbers"),
        (lambda path: path.write_bytes(method(path.read_bytes(), 99)), "damaged .That compression method is not"),
        (lambda path: path.write_bytes(path.read_bytes().replace(b"'shape'", b"'shape(")), "batch_4.npz is damaged"),
    ],
)
def test_a_missing_or_damaged_file_is_one_line(release, tmp_path, change, line):
    originals = write(tmp_path / "in", release)
    change(originals / "train_data_batch_4.npz")
    with pytest.raises(DamagedFile, match=line) as caught:
        prepared(originals, tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out" / "dataset.json").exists()


def test_a_damaged_archive_is_one_line(release, tmp_path):
    originals = tmp_path / "in"
    originals.mkdir()
    (originals / ARCHIVES[0]).write_bytes(b"<html>log in</html>")
    with pytest.raises(DamagedFile, match=r"part1_npz\.zip is damaged .*; get it again"):
        prepared(originals, tmp_path / "out")


def test_another_number_of_images_is_refused(release, tmp_path):
    with pytest.raises(ValueError, match="30"):
        prepared(write(tmp_path / "in", release), tmp_path / "out", DATA | {"images": COUNTS | {"train": 31}})
    with pytest.raises(ValueError, match="data: images: the number of images of train is missing"):
        prepare(DATA | {"images": {}}, tmp_path / "in", tmp_path / "out" / "dataset.json")
    with pytest.raises(ValueError, match="data: size: images of 64 are prepared, not of 32"):
        prepare(DATA | {"size": 32}, tmp_path / "in", tmp_path / "out" / "dataset.json")


def picture(path, width, height):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = RNG.integers(0, 256, (height, width, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return pixels


def halved(pixels):
    """The means of two pixels side by side, then of two such above each other; halves go up."""
    rows = (pixels[:, ::2].astype(int) + pixels[:, 1::2] + 1) // 2
    return (rows[::2] + rows[1::2] + 1) // 2


@pytest.mark.parametrize("name", ["{class_}_{number}.png", "{class_}/{number}.png"])
def test_images_are_shrunk_and_cropped_with_classes_in_the_order_of_names(tmp_path, name):
    classes = ["n02", "n01", "n02", "n10"]
    pixels = {}
    for number, class_ in enumerate(classes):
        path = name.format(class_=class_, number=number)
        pixels[path] = picture(tmp_path / "in" / "train" / path, 140, 128)
    picture(tmp_path / "in" / "val" / "ILSVRC2012_val_1.png", 64, 64)
    found = prepared(tmp_path / "in", tmp_path / "out", DATA | {"images": {"train": 4, "test": 1}})
    order = sorted(pixels)
    for path, image in zip(order, found["train"].images, strict=True):
        np.testing.assert_array_equal(image.transpose(1, 2, 0), halved(pixels[path])[:, 3:67])
    numbers = {"n01": 0, "n02": 1, "n10": 2}
    assert found["train"].labels.tolist() == [numbers[path[:3]] for path in order]


def stored(tmp_path, image, suffix="png", **options):
    """An image as a file in a training set of one, and as it is in the prepared set (64, 64, 3)."""
    path = tmp_path / "in" / "train" / f"n01_1.{suffix}"
    path.parent.mkdir(parents=True)
    image.save(path, **options)
    found = prepared(tmp_path / "in", tmp_path / "out", DATA | {"images": {"train": 1}})
    return found["train"].images[0].transpose(1, 2, 0)


def test_a_small_image_is_enlarged_as_by_openai_s_loader(tmp_path):
    image = Image.fromarray(RNG.integers(0, 256, (70, 50, 3), np.uint8))
    enlarged = np.asarray(image.resize((64, 90), Image.Resampling.BICUBIC))  # round(70 * 64 / 50)
    np.testing.assert_array_equal(stored(tmp_path, image), enlarged[13:77])


def test_exif_turns_nothing_as_by_openai_s_loader(tmp_path):
    image = Image.fromarray(RNG.integers(0, 256, (64, 80, 3), np.uint8))
    exif = image.getexif()
    exif[0x0112] = 6
    np.testing.assert_array_equal(stored(tmp_path, image, exif=exif), np.asarray(image)[:, 8:72])


@pytest.mark.parametrize(("mode", "suffix"), [("CMYK", "jpg"), ("RGBA", "png"), ("LA", "png"), ("L", "png")])
def test_images_become_rgb_last_and_alpha_is_dropped_as_by_openai_s_loader(tmp_path, mode, suffix):
    bands = [RNG.integers(0, 256, (128, 128), np.uint8) for _ in Image.new(mode, (1, 1)).getbands()]
    found = stored(tmp_path, Image.merge(mode, [Image.fromarray(band) for band in bands]), suffix)
    with Image.open(tmp_path / "in" / "train" / f"n01_1.{suffix}") as image:
        half = image.resize((64, 64), Image.Resampling.BOX).convert("RGB")
        rgb_first = image.convert("RGB").resize((64, 64), Image.Resampling.BOX)
    np.testing.assert_array_equal(found, np.asarray(half))
    assert mode == "L" or (np.asarray(rgb_first) != np.asarray(half)).any()  # so the order is seen


def test_truncated_images_are_named(tmp_path):
    path = tmp_path / "in" / "train" / "n01_1.png"
    picture(path, 200, 200)
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(DamagedFile, match=r"n01_1\.png"):
        prepared(tmp_path / "in", tmp_path / "out", DATA | {"images": {"train": 1}})
