"""ImageNet at 64 x 64: the down-sampled release, or the images themselves.

The release (Chrabaszcz et al. 2017, arXiv 1707.08819) has ten files of training images and one of
validation images, which are the split test. They were shrunk by a box filter. Its classes are in
the order of its own map_clsloc.txt, not in that of the names.

OpenAI's networks (improved-diffusion, guided-diffusion) were trained on images that they shrank
themselves (:func:`morse.data.pictures.fitted`). Where a folder ``train`` is there, that is done, as
their loader does it: it ignores EXIF, enlarges small images, and converts to RGB last.
"""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy

from morse.data.originals import files_of, hash_of_names, hashes, missing, reading, require_stated
from morse.data.pictures import as_stored, fitted
from morse.data.prepared import PreparedSplit, write_prepared
from morse.files import write_atomically

SIZE = 64
FILES = {"train": [f"train_data_batch_{number}.npz" for number in range(1, 11)], "test": ["val_data.npz"]}
ARCHIVES = tuple(f"Imagenet64_{part}_npz.zip" for part in ("train_part1", "train_part2", "val"))
"""As the release is downloaded, with the files in them. (Those without ``_npz`` hold pickles.)"""
FOLDERS = {"train": "train", "test": "val"}
BLOCK = 4096
"""Images that are read at once: 50 MB."""
RELEASE = "the release as it is, classes 0 to 999 in its own order"
IMAGES = (
    "as stored, without EXIF turns: box halving until < 2 x, bicubic to 64, also of smaller ones, centre crop, "
    "then RGB by Pillow; classes in the order of their names"
)
CLASSES = 1000


def prepare(data: Mapping[str, Any], originals: Path, output: Path) -> None:
    """Writes ImageNet 64 as a prepared data set.

    Args:
        data: a task card's ``data``, with ``images`` (the number of images of each split).
        originals: the folder of the release's files, or of the folders ``train`` and ``val``.
        output: the dataset.json to write.

    Raises:
        DamagedFile, ValueError: one line that names the file, for missing, damaged or foreign ones.
    """
    if data["size"] != SIZE:
        raise ValueError(f"data: size: images of {SIZE} are prepared, not of {data['size']}; set size: {SIZE}")
    shape = (3, SIZE, SIZE)
    if (originals / FOLDERS["train"]).is_dir():
        splits, found = _of_images(data, originals)
        write_prepared(output, data["kind"], IMAGES, found, shape, splits)
        return
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".imagenet64-", dir=output.parent) as scratch:
        splits = {}
        for split, names in FILES.items():
            places = [_archive_of(originals, name) for name in names]
            if split == "train" or None not in places:
                for name, place in zip(names, places, strict=True):
                    if place is None:
                        raise missing(originals, name)
                splits[split] = (_stated(data, split), _release(names, places, Path(scratch)))
        names = [*FILES["train"], *FILES["test"], *ARCHIVES]
        there = [path for path in map(originals.joinpath, names) if path.is_file()]
        write_prepared(output, data["kind"], RELEASE, hashes(there, originals), shape, splits)


def _stated(data: Mapping[str, Any], split: str) -> int:
    if split not in (images := data.get("images") or {}):
        raise ValueError(f"data: images: the number of images of {split} is missing; state it in the task's card")
    return images[split]


def _archive_of(originals: Path, name: str) -> Path | None:
    """The file itself, or the downloaded archive that has it; None if there is neither."""
    if (path := originals / name).is_file():
        return path
    for archive in map(originals.joinpath, ARCHIVES):
        if archive.is_file():
            with reading(archive), zipfile.ZipFile(archive) as file:
                if any(Path(member).name == name for member in file.namelist()):
                    return archive
    return None


def _release(names: Sequence[str], places: Sequence[Path], scratch: Path) -> Iterator[tuple[np.ndarray, int]]:
    """Images and classes of the files. An archive's are unpacked one at a time: 1.6 GB of disk."""
    for name, place in zip(names, places, strict=True):
        if place.name == name:
            yield from read_batch(place)
            continue
        path = scratch / name
        _unpack(place, name, path)
        yield from read_batch(path, f"{place}: {name}")
        path.unlink()


def _unpack(archive: Path, name: str, path: Path) -> None:
    def write(temporary: Path) -> None:
        with open(temporary, "wb") as target:
            for block in _content(archive, name):
                target.write(block)

    write_atomically(write, path)


def _content(archive: Path, name: str) -> Iterator[bytes]:
    """The content of a file in an archive, block by block; writing it is no part of reading."""
    with reading(archive), zipfile.ZipFile(archive) as file:
        member = next(member for member in file.namelist() if Path(member).name == name)
        with file.open(member) as source:
            while block := source.read(2**20):
                yield block


def read_batch(path: Path, name: str | None = None) -> Iterator[tuple[np.ndarray, int]]:
    """Images uint8 (3, 64, 64) and classes from 0, of one file of the release.

    It has ``data`` (n, 12288) of uint8, the red, the green, then the blue plane, and ``labels`` (n)
    from 1. At most :data:`BLOCK` images are in memory.

    Args:
        name: what error messages call the file.

    Raises:
        DamagedFile: one line, for a file that is damaged or of other arrays.
    """
    with reading(name or path), zipfile.ZipFile(path) as file:
        with file.open("labels.npy") as stream:
            labels = _checked(npy.read_array(stream, allow_pickle=False))
        with file.open("data.npy") as stream:
            for first, rows in _rows(stream, len(labels)):
                for place, image in enumerate(rows.reshape(-1, 3, SIZE, SIZE), first):
                    yield image, int(labels[place]) - 1


def _checked(labels: np.ndarray) -> np.ndarray:
    """The labels of a file of the release. Raises ValueError for others."""
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise ValueError(f"labels are {labels.dtype} {labels.shape}, not whole numbers (n,)")
    if labels.min(initial=1) < 1 or labels.max(initial=1) > CLASSES:
        raise ValueError(f"labels are {labels.min()} to {labels.max()}, not 1 to {CLASSES}")
    return labels


def _rows(stream: Any, count: int) -> Iterator[tuple[int, np.ndarray]]:
    """(first row, rows) of an array in the .npy format, block by block, to its very end.

    At the end zipfile compares the checksum. Raises ValueError for another array.
    """
    read = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    shape, by_columns, kind = read[npy.read_magic(stream)](stream)
    if kind != np.uint8 or by_columns or shape != (count, 3 * SIZE * SIZE):
        raise ValueError(f"data is {kind} {shape}, not uint8 {(count, 3 * SIZE * SIZE)}")
    for first in range(0, count, BLOCK):
        rows = min(BLOCK, count - first)
        content = stream.read(rows * shape[1])
        if len(content) != rows * shape[1]:
            raise ValueError("data ends early")
        yield first, np.frombuffer(content, np.uint8).reshape(rows, shape[1])
    if stream.read(1):
        raise ValueError("data goes on after its last image")


def _of_images(data: Mapping[str, Any], originals: Path) -> tuple[dict[str, PreparedSplit], dict[str, str]]:
    """The splits of the folders of images, and the hashes of their names and sizes."""
    splits, found, classes = {}, {}, {}
    for split, folder in FOLDERS.items():
        if (place := originals / folder).is_dir():
            paths = files_of(place)
            found[f"{folder}: names and sizes"] = hash_of_names(paths, place)
            classes = classes or {name: number for number, name in enumerate(sorted({_class(p, place) for p in paths}))}
            splits[split] = (require_stated(data, split, len(paths), place), _fitted(paths, place, classes))
    return splits, found


def _fitted(paths: Sequence[Path], folder: Path, classes: Mapping[str, int]) -> Iterator[tuple[np.ndarray, int | None]]:
    for path in paths:
        image = fitted(as_stored(path, str(path)), SIZE).convert("RGB")
        yield np.asarray(image).transpose(2, 0, 1), classes.get(_class(path, folder))


def _class(path: Path, folder: Path) -> str:
    """The sub-folder that an image is in; without one, its name up to the first ``_``."""
    inside = path.relative_to(folder)
    return inside.parts[0] if len(inside.parts) > 1 else path.name.partition("_")[0]
