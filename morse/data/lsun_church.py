"""LSUN's churches (church_outdoor, Yu et al. 2015, arXiv 1506.03365) at 256 x 256.

As ermongroup/ddim prepares them: torchvision's Resize of the short side, a triangle filter over the
pixels (Pillow's BILINEAR), then its CenterCrop. The release's images have a short side of 256.
"""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from morse.data.originals import files_of, hash_of_names, hashes, missing, reading, require_stated
from morse.data.pictures import picture
from morse.data.prepared import PreparedSplit, write_prepared
from morse.files import DamagedFile

DATABASES = {"train": "church_outdoor_train_lmdb", "test": "church_outdoor_val_lmdb"}
FOLDERS = {"train": "train", "test": "val"}
DAMAGED = "is no database or damaged"
READ_ALL = """
import sys, lmdb
with lmdb.open(sys.argv[1], readonly=True, lock=False) as database, database.begin() as transaction:
    print(sum(len(value) for _, value in transaction.cursor()))
"""


def prepare(data: Mapping[str, Any], originals: Path, output: Path) -> None:
    """Writes the churches as a prepared data set. The validation images are the split test.

    Args:
        data: a task card's ``data``.
        originals: the folder of the databases ``church_outdoor_train_lmdb`` and, if there is one,
            ``church_outdoor_val_lmdb``; or of the folders of images ``train`` and ``val``.
        output: the dataset.json to write.

    Raises:
        DamagedFile, ValueError: one line that names the file, for missing, damaged or foreign ones,
            and for databases where the package lmdb is not installed.
    """
    size, found = data["size"], {}
    splits: dict[str, PreparedSplit] = {}
    for split, name in DATABASES.items():
        database, folder = originals / name, originals / FOLDERS[split]
        if database.is_dir():
            count, place, contents = _entries(database), database, _of_database(database, size)
            found |= hashes([database / "data.mdb"], originals)
        elif folder.is_dir():
            paths = files_of(folder)
            count, place, contents = len(paths), folder, _of_files(paths, size)
            found[f"{folder.name}: names and sizes"] = hash_of_names(paths, folder)
        elif split == "train":
            raise missing(originals, name, f"folder {folder.name}")
        else:
            continue
        splits[split] = (require_stated(data, split, count, place), contents)
    preparation = f"bilinear to a short side of {size}, centre crop"
    write_prepared(output, data["kind"], preparation, found, (3, size, size), splits)


def _opened(path: Path) -> Any:
    """The database, read only. Raises ValueError without the package, DamagedFile if it is none."""
    try:
        import lmdb
    except ImportError as error:
        raise ValueError(f"{path} needs the package lmdb; run: pip install 'morse[lsun]'") from error
    with reading(path, DAMAGED):
        return lmdb.open(str(path), readonly=True, lock=False, readahead=False, meminit=False, create=False)


def _entries(path: Path) -> int:
    """The number of images, once the database is whole. Raises DamagedFile for one cut short.

    Of a file that ends early, the system kills the process that reads what is not there. LMDB may
    leave out pages at the end that hold nothing. So where some are missing, another process reads
    all values first.
    """
    with _opened(path) as database:
        stat = database.stat()
        whole = (database.info()["last_pgno"] + 1) * stat["psize"]
    if (found := (path / "data.mdb").stat().st_size) < whole:
        command = [sys.executable, "-c", READ_ALL, str(path)]
        if subprocess.run(command, capture_output=True).returncode:
            raise DamagedFile(f"{path} {DAMAGED} (data.mdb ends early: {found:,} bytes of {whole:,}); get it again")
    return stat["entries"]


def _of_database(path: Path, size: int) -> Iterator[tuple[np.ndarray, None]]:
    """The images in the order of the keys. Each value is an image file (WebP in the release)."""
    with _opened(path) as database, database.begin(buffers=False) as transaction:
        entries = iter(transaction.cursor())
        while entry := _next(entries, path):
            name = f"{path}: {entry[0].decode(errors='replace')}"
            yield resized(picture(io.BytesIO(entry[1]), name), size), None


def _next(entries: Iterator[tuple[bytes, bytes]], path: Path) -> tuple[bytes, bytes] | None:
    with reading(path, DAMAGED):
        return next(entries, None)


def _of_files(paths: Sequence[Path], size: int) -> Iterator[tuple[np.ndarray, None]]:
    for path in paths:
        yield resized(picture(path, str(path)), size), None


def resized(image: Image.Image, size: int) -> np.ndarray:
    """uint8 (3, size, size): torchvision's Resize(size) and CenterCrop(size) of a Pillow image."""
    width, height = image.size
    short = min(width, height)
    if short != size:
        image = image.resize((int(size * width / short), int(size * height / short)), Image.Resampling.BILINEAR)
    left, top = (round((length - size) / 2.0) for length in image.size)
    return np.asarray(image.crop((left, top, left + size, top + size))).transpose(2, 0, 1)
