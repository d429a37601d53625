"""CIFAR-10 (Krizhevsky 2009) from its published files: the binary or the python release.

A record of the binary release is a class and 3,072 bytes: the red, green and blue planes of 32 x 32
pixels by rows. The python release holds the same bytes in pickles. Of these nothing is run: only
what makes arrays is let through.
"""

from __future__ import annotations

import gzip
import io
import pickle
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from morse.data.originals import hashes, missing, reading, require_stated
from morse.data.prepared import write_prepared
from morse.files import DamagedFile

SHAPE = (3, 32, 32)
PIXELS = 3 * 32 * 32
BATCHES = {"train": [f"data_batch_{index}" for index in range(1, 6)], "test": ["test_batch"]}
RELEASES = {
    "cifar-10-binary.tar.gz": ".bin",
    "cifar-10-batches-bin": ".bin",
    "cifar-10-python.tar.gz": "",
    "cifar-10-batches-py": "",
}
"""Archive or folder -> how names of its batches end."""
PREPARATION = "32 x 32 RGB as published"


def prepare(data: Mapping[str, Any], originals: Path, output: Path) -> None:
    """Prepares CIFAR-10 from one of its releases.

    Raises:
        DamagedFile: one line, for a missing, truncated or foreign file.
        ValueError: one line, for another number of images than the card states.
    """
    if data["size"] != SHAPE[1]:
        raise ValueError(f"data: size: CIFAR-10's images are of {SHAPE[1]}, not {data['size']}; set size: {SHAPE[1]}")
    place = next((originals / name for name in RELEASES if (originals / name).exists()), None)
    if place is None:
        raise missing(originals, *RELEASES)
    if place.is_file():
        _require_whole(place)
    suffix, splits = RELEASES[place.name], {}
    for split, names in BATCHES.items():
        batches = [_read(place, f"{name}{suffix}") for name in names]
        images = np.concatenate([images for images, _ in batches])
        labels = np.concatenate([labels for _, labels in batches])
        require_stated(data, split, len(images), place)
        splits[split] = (len(images), _pairs(images, labels))
    files = [place] if place.is_file() else [place / f"{name}{suffix}" for batch in BATCHES.values() for name in batch]
    write_prepared(output, "cifar10", PREPARATION, hashes(files, originals), SHAPE, splits)


def _require_whole(archive: Path) -> None:
    """Reads an archive to its end, where its checksum is; tarfile stops before. Raises
    DamagedFile."""
    with reading(archive), gzip.open(archive) as stream:
        while stream.read(1 << 20):
            pass


def _pairs(images: np.ndarray, labels: np.ndarray) -> Iterator[tuple[np.ndarray, int]]:
    for image, label in zip(images, labels, strict=True):
        yield image, int(label)


def _read(place: Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Images (n, 3, 32, 32) and classes (n,) of a batch."""
    content = _content(place, name)
    return _of_pickle(content, place, name) if not name.endswith(".bin") else _of_records(content, place, name)


def _content(place: Path, name: str) -> bytes:
    with reading(f"{place}: {name}", "cannot be read"):
        if place.is_dir():
            return (place / name).read_bytes()
        with tarfile.open(place) as archive:
            files = (member for member in archive if member.isfile())
            found = next((member for member in files if PurePosixPath(member.name).name == name), None)
            if found is None:
                raise DamagedFile(f"{place} has no {name}; get it again")
            return archive.extractfile(found).read()


def _of_records(content: bytes, place: Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    if not content or len(content) % (PIXELS + 1):
        raise DamagedFile(f"{place}: {name} has {len(content):,} bytes, no whole records; get it again")
    records = np.frombuffer(content, np.uint8).reshape(-1, PIXELS + 1)
    return _checked(records[:, 1:], records[:, 0], place, name)


ARRAYS = {
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),
}
"""What a pickle of arrays asks for."""


class _Arrays(pickle.Unpickler):
    """Reads pickles of arrays, lists, numbers and text, and refuses all else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ARRAYS:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def _of_pickle(content: bytes, place: Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    with reading(f"{place}: {name}", "is no batch of CIFAR-10"):
        try:
            batch = _Arrays(io.BytesIO(content), encoding="bytes").load()
        except MemoryError as error:  # a batch takes 31 MB: it is the file that claims too much
            raise ValueError("it asks for more memory than there is") from error
        pixels, labels = np.asarray(batch[b"data"]), np.asarray(batch[b"labels"])
    return _checked(pixels, labels, place, name)


def _checked(pixels: np.ndarray, labels: np.ndarray, place: Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    whole = pixels.dtype == np.uint8 and pixels.ndim == 2 and pixels.shape[1] == PIXELS
    classes = whole and labels.shape == pixels.shape[:1] and labels.dtype.kind in "iu"
    if not classes or labels.min(initial=0) < 0 or labels.max(initial=0) > 9:
        raise DamagedFile(f"{place}: {name} is no batch of CIFAR-10; get it again")
    return pixels.reshape(-1, *SHAPE), labels
