"""Prepared data sets: uint8 images of any number as plain arrays, with a file that describes them.

A prepared data set is a folder with ``dataset.json`` and, for each split, two .npy arrays, and the
captions if there are any. Images are read as a memory map, so a set of 25 GB takes no memory. The
JSON file is written last. So a preparation that was killed leaves none, and starts again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import write_array_header_1_0
from tqdm import tqdm

from morse.data.archive import Split
from morse.data.captions import write_captions
from morse.data.lazy import LazyImages
from morse.files import DamagedFile, read_json, require, require_keys, sha256, write_atomically, write_json

Images = Iterable[tuple[np.ndarray, int | None]]
"""(uint8 image (C, H, W), class or None) each."""
PreparedSplit = tuple[int, Images]
"""The number of images of a split, and the images."""

NEEDS = {"kind": str, "preparation": str, "originals": dict, "splits": dict}
SPLIT_NEEDS = {"images": str, "bytes": int, "sha256": str, "first": int, "shape": list, "labels": str}
REMEDY = "prepare it again: remove its folder and run `morse prepare` with the task's name"


def write_prepared(
    path: Path,
    kind: str,
    preparation: str,
    originals: Mapping[str, str],
    shape: tuple[int, int, int],
    splits: Mapping[str, PreparedSplit],
    parts: Mapping[str, tuple[str, int, int]] | None = None,
    captions: Mapping[str, Sequence[str]] | None = None,
) -> None:
    """Writes a prepared data set, image by image.

    Args:
        path: of ``dataset.json``.
        kind: of data, in :data:`morse.data.DATASETS`.
        preparation: how originals became these images, in words.
        originals: name of each original file -> its SHA-256.
        shape: (C, H, W) of all images.
        splits: name -> (number of images, the images).
        parts: name of a further split -> (split, first, count): images of the other split.
        captions: name of a split -> a text for each image.

    Raises:
        ValueError: one line, for a split of another number of images or captions, or an image of
            another shape or type.
        UnwritableFile: as :func:`morse.files.write_atomically`.
    """
    path.unlink(missing_ok=True)  # from now on the arrays may be of another preparation
    described = {}
    for split, (count, images) in splits.items():
        described[split] = _write_split(path, split, count, shape, images)
        if captions:
            described[split] |= write_captions(path, split, count, captions[split])
    for split, (whole, first, count) in (parts or {}).items():
        described[split] = described[whole] | {"first": first, "shape": [count, *shape]}
    content = {"kind": kind, "preparation": preparation, "originals": dict(originals), "splits": described}
    write_json(content, path)


def _write_split(path: Path, split: str, count: int, shape: tuple[int, int, int], images: Images) -> dict[str, Any]:
    """Writes the arrays of a split. Returns what the JSON file says of it."""
    labels, file = np.full(count, -1, np.int64), path.with_name(f"{split}-images.npy")
    where = f"{path}: split {split!r}"

    def write(temporary: Path) -> None:
        written = 0
        with open(temporary, "wb") as array:  # through a memory map a full disk would kill the process
            write_array_header_1_0(array, {"descr": "|u1", "fortran_order": False, "shape": (count, *shape)})
            for image, label in tqdm(images, total=count, desc=f"{path.parent.name} {split}", mininterval=2):
                if image.dtype != np.uint8 or image.shape != shape:
                    raise ValueError(f"{where}: image {written} is {image.dtype} {image.shape}, not uint8 {shape}")
                if written == count:
                    raise ValueError(f"{where} has more than the {count:,} images that the card states")
                array.write(image.tobytes())
                labels[written] = -1 if label is None else label
                written += 1
        if written < count:
            raise ValueError(f"{where} has {written:,} images, and the card states {count:,}")

    write_atomically(write, file)
    if (labels < 0).any() and (labels >= 0).any():
        raise ValueError(f"{where}: some images have a class and some have none; give all or none")
    described = {"images": file.name, "bytes": file.stat().st_size, "sha256": sha256(file)}
    described |= {"first": 0, "shape": [count, *shape], "labels": ""}
    if count and labels[0] >= 0:
        place = path.with_name(f"{split}-labels.npy")
        write_array(labels, place)
        described |= {"labels": place.name, "labels_sha256": sha256(place)}
    return described


def write_array(array: np.ndarray, path: Path) -> None:
    """Writes an .npy file, whole or not at all."""

    def write(temporary: Path) -> None:
        with open(temporary, "wb") as file:
            np.save(file, array)

    write_atomically(write, path)


def prepared_shapes(path: Path | str) -> dict[str, tuple[int, int, int, int]]:
    """Split -> (n, C, H, W) of a prepared data set. Raises DamagedFile, one line, if it is missing
    or no such file."""
    return {split: tuple(described["shape"]) for split, described in _described(path)["splits"].items()}


def _described(path: Path | str) -> dict[str, Any]:
    if not Path(path).is_file():
        raise DamagedFile(f"data set {path} is missing; make it: run `morse prepare` with the task's name")
    content = read_json(path, NEEDS)
    for described in content["splits"].values():
        file = Path(path).with_name(require_keys(described, SPLIT_NEEDS, path)["images"])
        if not file.is_file() or file.stat().st_size != described["bytes"]:
            raise DamagedFile(f"data {file} are missing or cut short; {REMEDY}")
    return content


def read_prepared(path: Path | str, split: str, size: int, expected_sha256: str | None = None) -> Split:
    """One split of a prepared data set, its images as a memory map that cannot be written.

    Hashes are checked, which reads the arrays once: a second for each GB or so.

    Args:
        size: H and W that the images must have.
        expected_sha256: of ``dataset.json``; None: not checked.

    Raises:
        DamagedFile: one line, for a missing or altered file.
        ValueError: for an unknown split, or images of another size.
    """
    path = Path(path)
    content = _described(path)
    require(path, expected_sha256, "data set")
    described = _of_split(content, split, path)
    if described["shape"][2:] != [size, size]:
        raise ValueError(f"images of {tuple(described['shape'][2:])} in {path} are not {size} x {size}; prepare others")
    part = described["first"], described["shape"]
    place, digest = path.with_name(described["images"]), described["sha256"]
    if "files" in content:  # an index: images are read when they are asked for (morse/data/pairs.py)
        places = _array(place, digest, part[0], part[1][:1])
        images = LazyImages(Path(content["folder"]), content["files"], places, size)
    else:
        images = _array(place, digest, *part)
    labels = np.zeros(len(images), np.int64)
    if described["labels"]:
        labels = _array(path.with_name(described["labels"]), described["labels_sha256"], part[0], part[1][:1])
    captions = _captions(path, described)
    identity = f"{content['kind']}/{expected_sha256 or sha256(path)}/{split}/{size}x{size}/prepared"
    return Split(images, np.asarray(labels), identity, captions)


def prepared_captions(path: Path | str, split: str) -> list[str]:
    """The captions of a split, without its images.

    Raises:
        DamagedFile: one line, for a missing or altered file.
        ValueError: one line, for an unknown split, or one without captions.
    """
    if (found := _captions(Path(path), _of_split(_described(path), split, path))) is None:
        raise ValueError(f"data set {path}: split {split!r} has no captions; name a data set with captions")
    return found


def _of_split(content: Mapping[str, Any], split: str, path: Path | str) -> dict[str, Any]:
    """What the JSON file says of a split. Raises ValueError, one line, for an unknown one."""
    if split not in content["splits"]:
        raise ValueError(f"data set {path} has no split {split!r}; it has: {', '.join(sorted(content['splits']))}")
    return content["splits"][split]


def _captions(path: Path, described: Mapping[str, Any]) -> list[str] | None:
    if "captions" not in described:
        return None
    content = read_json(require(path.with_name(described["captions"]), described["captions_sha256"], "captions"))
    return content[described["first"] : described["first"] + described["shape"][0]]


def _array(path: Path, digest: str, first: int, shape: list[int]) -> np.ndarray:
    """The rows from ``first`` of an array, as a memory map of this shape."""
    try:
        array = np.load(require(path, None, "data"), mmap_mode="r")
    except (ValueError, OSError, EOFError) as error:
        raise DamagedFile(f"data {path} cannot be read ({' '.join(str(error).split())}); {REMEDY}") from error
    part = array[first : first + shape[0]]
    if list(part.shape) != list(shape):
        raise DamagedFile(f"data {path} is of shape {array.shape}, not {tuple(shape)}; {REMEDY}")
    if sha256(path) != digest:
        raise DamagedFile(f"data {path} is not what was prepared (its sha256 is another); {REMEDY}")
    return part
