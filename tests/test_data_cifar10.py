"""CIFAR-10 from its published files, here with few images: both releases give the same bytes."""

import io
import pickle
import struct
import tarfile

import numpy as np
import pytest

from morse.data.cifar10 import BATCHES, prepare
from morse.data.loading import load_split
from morse.files import DamagedFile

EACH = 3
DATA = {"kind": "cifar10", "size": 32, "images": {"train": 5 * EACH, "test": EACH}}


def batches():
    """Name -> (pixels (n, 3072), classes)."""
    rng, found = np.random.default_rng(0), {}
    for name in [*BATCHES["train"], *BATCHES["test"]]:
        found[name] = rng.integers(0, 256, (EACH, 3072), np.uint8), rng.integers(0, 10, EACH).tolist()
    return found


def binary():
    return {
        f"{name}.bin": b"".join(bytes([label]) + row.tobytes() for row, label in zip(pixels, labels, strict=True))
        for name, (pixels, labels) in batches().items()
    }


def python(protocol=2):
    """As Python 2 pickled them: the keys are bytes."""
    return {
        name: pickle.dumps({b"data": pixels, b"labels": labels, b"batch_label": b"x"}, protocol=protocol)
        for name, (pixels, labels) in batches().items()
    }


def python_2():
    """Byte for byte as Python 2 and its NumPy pickled them: text is of bytes."""
    kind = b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNN" + 2 * b"J\xff\xff\xff\xff" + b"K\x00tb"
    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    array += b"(K\x01K" + bytes([EACH]) + b"M\x00\x0c\x86" + kind + b"\x89"
    found = {}
    for name, (pixels, labels) in batches().items():
        content = b"T" + struct.pack("<i", pixels.nbytes) + pixels.tobytes() + b"tb"
        numbers = b"](" + b"".join(b"K" + bytes([label]) for label in labels) + b"e"
        found[name] = b"\x80\x02}(U\x04data" + array + content + b"U\x06labels" + numbers + b"u."
    return found


def archive(folder, name, files):
    folder.mkdir(parents=True, exist_ok=True)
    inside = "cifar-10-batches-bin" if "binary" in name else "cifar-10-batches-py"
    with tarfile.open(folder / name, "w:gz") as tar:
        for file, content in files.items():
            info = tarfile.TarInfo(f"{inside}/{file}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


def extracted(folder, name, files):
    (folder / name).mkdir(parents=True)
    for file, content in files.items():
        (folder / name / file).write_bytes(content)


def made(tmp_path, write, name, files):
    write(tmp_path / "originals", name, files)
    output = tmp_path / "cifar10" / "dataset.json"
    prepare(DATA, tmp_path / "originals", output)
    return DATA | {"file": str(output)}


@pytest.mark.parametrize(
    ("write", "name", "files"),
    [
        (archive, "cifar-10-binary.tar.gz", binary()),
        (extracted, "cifar-10-batches-bin", binary()),
        (archive, "cifar-10-python.tar.gz", python()),
        (archive, "cifar-10-python.tar.gz", python_2()),
        (extracted, "cifar-10-batches-py", python(protocol=4)),
    ],
)
def test_every_release_gives_the_same_images(tmp_path, write, name, files):
    data = made(tmp_path, write, name, files)
    pixels = {name: pixels.reshape(-1, 3, 32, 32) for name, (pixels, _) in batches().items()}
    train, test = load_split(data, "train"), load_split(data, "test")
    np.testing.assert_array_equal(train.images, np.concatenate([pixels[name] for name in BATCHES["train"]]))
    np.testing.assert_array_equal(test.images, pixels["test_batch"])
    assert test.labels.tolist() == batches()["test_batch"][1]
    assert train.images[0, 1, 0, 2] == batches()["data_batch_1"][0][0, 1024 + 2]  # green, first row, third column


class Evil:
    def __reduce__(self):
        return (print, ("run",))


class Huge:
    def __reduce__(self):
        return (np.ndarray, ((10**13,),))


class Type:
    def __reduce__(self):
        return (np.dtype, ("u1,(",))


def test_nothing_that_a_pickle_says_is_run(tmp_path, capsys):
    files = python() | {"test_batch": pickle.dumps({b"data": Evil(), b"labels": []})}
    with pytest.raises(DamagedFile, match="test_batch is no batch of CIFAR-10 .it asks for builtins.print"):
        made(tmp_path, archive, "cifar-10-python.tar.gz", files)
    assert "run" not in capsys.readouterr().out


def batch_of(labels):
    return pickle.dumps({b"data": np.zeros((len(labels), 3072), np.uint8), b"labels": labels})


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("cifar-10-batches-bin", {"test_batch.bin": b"12345"}, "test_batch.bin has 5 bytes, no whole records"),
        ("cifar-10-batches-bin", {"test_batch.bin": b"\x0a" + bytes(3072)}, "test_batch.bin is no batch of CIFAR-10"),
        ("cifar-10-batches-py", {"test_batch": pickle.dumps({b"data": 1})}, "test_batch is no batch of CIFAR-10"),
        ("cifar-10-batches-py", {"data_batch_2": b"\x80"}, "data_batch_2 is no batch of CIFAR-10"),
        ("cifar-10-batches-py", {"test_batch": pickle.dumps({b"data": Huge()})}, "asks for more memory than there is"),
        ("cifar-10-batches-py", {"test_batch": pickle.dumps({b"data": Type()})}, "test_batch is no batch of CIFAR-10"),
        ("cifar-10-batches-py", {"test_batch": batch_of([0, -1, 2])}, "test_batch is no batch of CIFAR-10"),
        ("cifar-10-batches-py", {"test_batch": batch_of([0, 10, 2])}, "test_batch is no batch of CIFAR-10"),
    ],
)
def test_foreign_files_are_one_line(tmp_path, name, change, message):
    files = (binary() if "bin" in name else python()) | change
    with pytest.raises(DamagedFile, match=message) as error:
        made(tmp_path, extracted, name, files)
    assert "\n" not in str(error.value)


def test_missing_files_are_one_line(tmp_path):
    with pytest.raises(DamagedFile, match=r"originals has no cifar-10-binary.tar.gz and no "):
        prepare(DATA, tmp_path / "originals", tmp_path / "dataset.json")
    files = {name: content for name, content in binary().items() if "3" not in name}
    with pytest.raises(DamagedFile, match=r"cifar-10-binary.tar.gz has no data_batch_3.bin; get it again"):
        made(tmp_path, archive, "cifar-10-binary.tar.gz", files)


def test_a_folder_with_the_name_of_a_batch_is_passed_over(tmp_path):
    (tmp_path / "originals").mkdir()
    with tarfile.open(tmp_path / "originals" / "cifar-10-binary.tar.gz", "w:gz") as tar:
        info = tarfile.TarInfo("data_batch_1.bin")
        info.type = tarfile.DIRTYPE
        tar.addfile(info)
    with pytest.raises(DamagedFile, match=r"binary.tar.gz has no data_batch_1.bin; get it again"):
        prepare(DATA, tmp_path / "originals", tmp_path / "dataset.json")


@pytest.mark.parametrize("place", [3000, 12000, -6, -2])
def test_a_damaged_archive_is_one_line(tmp_path, place):
    """Also where the damage does not show before the archive's end."""
    archive(tmp_path / "originals", "cifar-10-binary.tar.gz", binary())
    file = tmp_path / "originals" / "cifar-10-binary.tar.gz"
    content = bytearray(file.read_bytes())
    content[place] ^= 0x10
    file.write_bytes(content)
    with pytest.raises(DamagedFile, match="binary.tar.gz is damaged") as error:
        prepare(DATA, tmp_path / "originals", tmp_path / "dataset.json")
    assert "\n" not in str(error.value)
    file.write_bytes(content[:20_000])
    with pytest.raises(DamagedFile, match="binary.tar.gz is damaged"):
        prepare(DATA, tmp_path / "originals", tmp_path / "dataset.json")


def test_another_size_is_refused(tmp_path):
    with pytest.raises(ValueError, match="CIFAR-10's images are of 32, not 64; set size: 32"):
        prepare(DATA | {"size": 64}, tmp_path, tmp_path / "dataset.json")


class Codec:
    def __reduce__(self):
        import _codecs

        return (_codecs.encode, ("x", "no-such-codec"))


def test_a_pickle_with_an_unknown_codec_is_one_line(tmp_path):
    files = python() | {"test_batch": pickle.dumps({b"data": Codec(), b"labels": []})}
    with pytest.raises(DamagedFile, match="test_batch is no batch of CIFAR-10"):
        made(tmp_path, extracted, "cifar-10-batches-py", files)


def test_another_number_than_stated_is_refused(tmp_path):
    extracted(tmp_path / "originals", "cifar-10-batches-bin", binary())
    with pytest.raises(ValueError, match="has 15 images of train, and data: images says 50000"):
        prepare(DATA | {"images": {"train": 50000}}, tmp_path / "originals", tmp_path / "dataset.json")
