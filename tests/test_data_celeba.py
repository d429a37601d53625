"""CelebA: its splits, its crop and its shrinking, as torchvision does the latter two."""

import io
import zipfile

import numpy as np
import pytest
from PIL import Image
from torchvision.transforms import functional

from morse.data.celeba import ARCHIVE, FOLDER, LIST, prepare
from morse.data.prepared import read_prepared
from morse.files import DamagedFile

RNG = np.random.default_rng(0)
SPLITS = {"000001.jpg": 0, "000002.jpg": 2, "000003.jpg": 0, "000004.jpg": 1}
DATA = {"kind": "celeba", "size": 64, "images": {"train": 2, "valid": 1, "test": 1}}


def jpeg(width=178, height=218):
    coarse = RNG.integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), np.uint8)
    image = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=95)
    return stream.getvalue()


CONTENTS = {name: jpeg() for name in SPLITS}


def originals(folder, kind, contents=CONTENTS, splits=SPLITS):
    folder.mkdir()
    (folder / LIST).write_text("".join(f"{name} {split}\n" for name, split in splits.items()), encoding="utf-8")
    if kind == "folder":
        (folder / FOLDER).mkdir()
        for name, content in contents.items():
            (folder / FOLDER / name).write_bytes(content)
    else:
        with zipfile.ZipFile(folder / ARCHIVE, "w") as file:
            file.writestr(f"{FOLDER}/", b"")
            for name, content in contents.items():
                file.writestr(f"{FOLDER}/{name}", content)
    return folder


def expected(content, size=64):
    """Rows 57 to 184 and columns 25 to 152, by indices; then torchvision's Resize of an image."""
    pixels = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))[57:185, 25:153]
    return np.asarray(functional.resize(Image.fromarray(pixels), [size])).transpose(2, 0, 1)


@pytest.mark.parametrize("kind", ["archive", "folder"])
def test_images_are_cropped_shrunk_and_split_by_the_list(tmp_path, kind):
    output = tmp_path / "out" / "dataset.json"
    prepare(DATA, originals(tmp_path / "in", kind), output)
    for number, split in enumerate(("train", "valid", "test")):
        names = [name for name, of in SPLITS.items() if of == number]
        found = read_prepared(output, split, 64)
        np.testing.assert_array_equal(found.images, [expected(CONTENTS[name]) for name in names])
        assert found.labels.tolist() == [0] * len(names)


def test_halving_takes_in_neighbours_with_the_weights_of_a_triangle():
    """What bilinear means here: pixels at distances of 1/2 and 3/2 count 3/8 and 1/8 each."""
    line = np.zeros((1, 8, 3), np.uint8)
    line[0, 3] = 255
    found = np.asarray(functional.resize(Image.fromarray(np.repeat(line, 8, 0)), [4]))[2, :, 0]
    np.testing.assert_allclose(found, 255 * np.array([0.0, 3 / 8, 1 / 8, 0.0]), atol=1.0)


def test_other_sizes_up_to_the_crop_are_possible(tmp_path):
    output = tmp_path / "out" / "dataset.json"
    prepare(DATA | {"size": 128}, originals(tmp_path / "in", "folder"), output)
    pixels = np.asarray(Image.open(io.BytesIO(CONTENTS["000002.jpg"])))[57:185, 25:153]
    np.testing.assert_array_equal(read_prepared(output, "test", 128).images[0], pixels.transpose(2, 0, 1))
    with pytest.raises(ValueError, match="crops of 128 can be shrunk to at most that, not to 256"):
        prepare(DATA | {"size": 256}, tmp_path / "in", output)


@pytest.mark.parametrize("kind", ["archive", "folder"])
@pytest.mark.parametrize(
    ("content", "error", "line"),
    [
        (CONTENTS["000003.jpg"][:900], DamagedFile, r"000003\.jpg"),
        (b"no image", DamagedFile, r"000003\.jpg"),
        (jpeg(64, 64), ValueError, r"000003\.jpg is of \(64, 64\), not of \(178, 218\); get the aligned images"),
        (None, DamagedFile, r"celeba(\.zip)? lacks 1 images of list_eval_partition\.txt, first 000003\.jpg"),
    ],
)
def test_a_missing_damaged_or_foreign_image_is_named(tmp_path, kind, content, error, line):
    contents = CONTENTS | {"000003.jpg": content}
    contents = {name: content for name, content in contents.items() if content is not None}
    with pytest.raises(error, match=line) as caught:
        prepare(DATA, originals(tmp_path / "in", kind, contents), tmp_path / "out" / "dataset.json")
    assert "\n" not in str(caught.value) and not (tmp_path / "out" / "dataset.json").exists()


def test_an_archive_with_damage_anywhere_is_one_line_that_names_it(tmp_path):
    folder = originals(tmp_path / "in", "archive")
    with zipfile.ZipFile(folder / ARCHIVE, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in CONTENTS.items():
            file.writestr(f"{FOLDER}/{name}", content)
    whole, found, rng = (folder / ARCHIVE).read_bytes(), set(), np.random.default_rng(1)
    directory = whole.index(b"PK\x01\x02")
    for number in range(120):
        content = bytearray(whole)
        for place in rng.integers(0 if number % 2 else directory, len(whole), 2):
            content[place] = rng.integers(256)
        (folder / ARCHIVE).write_bytes(content)
        try:
            prepare(DATA, folder, tmp_path / "out" / "dataset.json")
        except (DamagedFile, ValueError) as error:
            assert str(folder / ARCHIVE) in str(error) and "\n" not in str(error)
            found.add(type(error.__cause__))
    assert len(found) > 2  # zipfile and zlib raise several types


@pytest.mark.parametrize(
    ("name", "content", "error", "line"),
    [
        (LIST, None, DamagedFile, "has no list_eval_partition.txt; get the data set"),
        (LIST, b"202599\n", DamagedFile, r"list_eval_partition.txt: line 1 is '202599', not like '000001.jpg 0'"),
        (LIST, b"000001.jpg 0\n", ValueError, "has 1 images of train, and data: images says 2; get the whole set"),
        (ARCHIVE, None, DamagedFile, r"has no img_align_celeba\.zip and no img_align_celeba; get"),
        (ARCHIVE, b"<html>", DamagedFile, r"img_align_celeba\.zip is damaged .*; get it again"),
    ],
)
def test_a_missing_or_damaged_file_is_one_line(tmp_path, name, content, error, line):
    folder = originals(tmp_path / "in", "archive")
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_bytes(content)
    with pytest.raises(error, match=line) as caught:
        prepare(DATA, folder, tmp_path / "out" / "dataset.json")
    assert "\n" not in str(caught.value)
