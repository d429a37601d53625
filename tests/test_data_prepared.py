"""Prepared data sets: images of any number as memory maps, whole or absent."""

import json
import resource
import signal
import subprocess
import sys

import numpy as np
import pytest

from morse.data.loading import load_split, shapes_of
from morse.data.prepared import read_prepared, write_prepared
from morse.files import DamagedFile, UnwritableFile, sha256

SHAPE = (3, 8, 8)


def images(count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, *SHAPE), np.uint8)


def pairs(array, labels=None):
    return [(image, None if labels is None else labels[i]) for i, image in enumerate(array)]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "shapes" / "dataset.json"


def written(path, counts=(5, 3), labels=True, parts=None):
    arrays = {"train": images(counts[0]), "test": images(counts[1], 1)}
    classes = [999, 0, 5, 7, 300] if labels else None
    splits = {split: (len(array), pairs(array, classes)) for split, array in arrays.items()}
    write_prepared(path, "folder", "as they are", {"a.zip": "0" * 64}, SHAPE, splits, parts)
    return arrays


def test_what_is_written_comes_back(path):
    arrays = written(path)
    split = read_prepared(path, "train", 8)
    np.testing.assert_array_equal(split.images, arrays["train"])
    assert isinstance(split.images, np.memmap) and not split.images.flags.writeable
    assert split.labels.tolist() == [999, 0, 5, 7, 300]  # more than a byte holds
    assert split.identity == f"folder/{sha256(path)}/train/8x8/prepared"
    assert shapes_of(path) == {"train": (5, *SHAPE), "test": (3, *SHAPE)}
    assert not [file for file in path.parent.iterdir() if file.name.startswith(".")]


def test_a_task_s_data_are_read_by_their_file(path):
    arrays = written(path, labels=False)
    data = {"kind": "folder", "file": str(path), "size": 8}
    split = load_split(data, "test")
    np.testing.assert_array_equal(split.images, arrays["test"])
    assert split.labels.tolist() == [0, 0, 0]
    assert load_split(data | {"sha256": sha256(path)}, "test").identity == split.identity
    with pytest.raises(DamagedFile, match="data set .*dataset.json is damaged: sha256"):
        load_split(data | {"sha256": "0" * 64}, "test")


def test_a_split_may_be_a_part_of_another(path):
    arrays = written(path, parts={"held": ("train", 3, 2)})
    held = read_prepared(path, "held", 8)
    np.testing.assert_array_equal(held.images, arrays["train"][3:])
    assert held.labels.tolist() == [7, 300] and shapes_of(path)["held"] == (2, *SHAPE)


def test_equal_preparations_give_equal_bytes(path, tmp_path):
    other = tmp_path / "other" / "dataset.json"
    written(path)
    written(other)
    assert sha256(path) == sha256(other)


@pytest.mark.parametrize(
    ("count", "made", "message"),
    [
        (4, images(5), "split 'train' has more than the 4 images that the card states"),
        (6, images(5), "split 'train' has 5 images, and the card states 6"),
        (1, images(1)[:, :, :4], r"image 0 is uint8 \(3, 4, 8\), not uint8 \(3, 8, 8\)"),
        (1, images(1).astype(float), "image 0 is float64"),
    ],
)
def test_other_images_than_stated_leave_nothing(path, count, made, message):
    with pytest.raises(ValueError, match=message) as error:
        write_prepared(path, "folder", "", {}, SHAPE, {"train": (count, pairs(made))})
    assert "\n" not in str(error.value)
    assert not path.parent.exists() or not list(path.parent.iterdir())


def test_all_images_have_a_class_or_none(path):
    with pytest.raises(ValueError, match="some images have a class and some have none"):
        write_prepared(path, "folder", "", {}, SHAPE, {"train": (2, [(images(1)[0], 1), (images(1)[0], None)])})
    assert not path.exists()


def test_a_killed_preparation_leaves_no_data_set_and_starts_again(path):
    def broken():
        yield from pairs(images(2))
        raise KeyboardInterrupt

    written(path)  # an earlier one, of other images
    with pytest.raises(KeyboardInterrupt):
        write_prepared(path, "folder", "", {}, SHAPE, {"train": (5, broken())})
    with pytest.raises(DamagedFile, match="dataset.json is missing; make it: run `morse prepare`"):
        read_prepared(path, "train", 8)
    arrays = written(path)
    np.testing.assert_array_equal(read_prepared(path, "train", 8).images, arrays["train"])


def test_altered_missing_and_foreign_arrays_are_refused(path):
    written(path)
    file = path.with_name("train-images.npy")
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(DamagedFile, match="train-images.npy is not what was prepared .*; prepare it again") as error:
        read_prepared(path, "train", 8)
    assert "\n" not in str(error.value)
    np.save(file, images(4))
    for use in (lambda: read_prepared(path, "train", 8), lambda: shapes_of(path)):
        with pytest.raises(DamagedFile, match="train-images.npy are missing or cut short; prepare it again"):
            use()
    content = file.read_bytes()
    file.write_bytes(content + bytes(3 * 8 * 8))
    with pytest.raises(DamagedFile, match=r"is of shape \(4, 3, 8, 8\), not \(5, 3, 8, 8\)"):
        read_prepared(path, "train", 8)
    file.write_bytes(b"nothing" + content[7:] + bytes(3 * 8 * 8))
    with pytest.raises(DamagedFile, match="train-images.npy cannot be read"):
        read_prepared(path, "train", 8)


@pytest.mark.parametrize("key", ["images", "bytes", "sha256", "first", "shape", "labels"])
def test_a_description_without_a_part_is_one_line(path, key):
    written(path)
    content = json.loads(path.read_text(encoding="utf-8"))
    del content["splits"]["test"][key]
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(DamagedFile, match=f"dataset.json is damaged .it has no {key}"):
        shapes_of(path)


def test_a_full_disk_is_one_line(path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (400, before[1]))
    try:
        with pytest.raises(UnwritableFile, match=r"train-images.npy cannot be written .File too large"):
            written(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not path.exists()


def test_other_splits_and_sizes_are_one_line(path):
    written(path)
    with pytest.raises(ValueError, match="has no split 'val'; it has: test, train"):
        read_prepared(path, "val", 8)
    with pytest.raises(ValueError, match=r"images of \(8, 8\) in .* are not 16 x 16"):
        read_prepared(path, "train", 16)
    path.write_text(json.dumps({"kind": "folder"}), encoding="utf-8")
    with pytest.raises(DamagedFile, match="is damaged .it has no preparation"):
        read_prepared(path, "train", 8)


KILLED = """
import os, signal, sys
from pathlib import Path
import numpy as np
from morse.data.prepared import write_prepared

def images():
    for number in range(5):
        if number == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        yield np.zeros((3, 8, 8), np.uint8), number

write_prepared(Path(sys.argv[1]), "folder", "", {}, (3, 8, 8), {"train": (5, images())})
"""


def test_after_a_kill_that_nothing_can_catch_it_starts_again_and_leaves_no_rest(path):
    killed = subprocess.run([sys.executable, "-c", KILLED, str(path)], capture_output=True)
    assert killed.returncode == -signal.SIGKILL
    assert [file.name for file in path.parent.iterdir()] == [".train-images.npy.partial"]
    arrays = written(path)
    np.testing.assert_array_equal(read_prepared(path, "train", 8).images, arrays["train"])
    assert not [file for file in path.parent.iterdir() if file.name.startswith(".")]


LIMITED = """
import re, resource, sys
from pathlib import Path
import numpy as np
from morse.data.prepared import read_prepared, write_prepared

def kilobytes(name):
    return int(re.search(rf"{name}:\\s+(\\d+) kB", Path("/proc/self/status").read_text(encoding="utf-8"))[1])

limit = (kilobytes("VmData") + 150_000) * 1024
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
path, image = Path(sys.argv[1]), np.ones((3, 256, 256), np.uint8)
write_prepared(path, "folder", "", {}, image.shape, {"train": (1600, ((image, 1) for _ in range(1600)))})
peak = kilobytes("VmHWM")  # getrusage's begins with that of the process that started this one
images = read_prepared(path, "train", 256).images
assert sum(int(images[first : first + 16].copy().sum()) for first in range(0, 1600, 16)) == 1600 * image.size
try:
    np.array(images)
except MemoryError:
    print(peak // 1000)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems limit memory otherwise")
def test_memory_does_not_grow_with_the_set(path):
    """300 MB of images are written and read within 150 MB of memory; a copy would not fit in.

    Touched pages of a map count as resident, but are no memory of the process: the system takes
    them back at need. So not the resident size is limited, but what the process has of its own.
    """
    made = subprocess.run([sys.executable, "-c", LIMITED, str(path)], capture_output=True, encoding="utf-8")
    assert made.returncode == 0, made.stderr
    assert int(made.stdout) < 150  # resident while it was written, with all modules
