"""Original files of published data sets: which are there, how many images, their hashes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tqdm import tqdm

from morse.files import DamagedFile, sha256

PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
"""Ends of the names of image files, in small letters."""


def missing(folder: Path, *names: str) -> DamagedFile:
    """The error, one line, for a data set of which neither of ``names`` is in its folder."""
    fetch = "get the data set as its task's card says, and put it there"
    return DamagedFile(f"{folder} has no {' and no '.join(names)}; {fetch}")


@contextmanager
def reading(name: Path | str, fault: str = "is damaged", remedy: str = "get it again") -> Iterator[None]:
    """While an original is read: whatever its reader raises becomes one line.

    For damaged bytes zipfile, zlib, tarfile, NumPy, Pillow and pickle raise some fifteen types.

    Args:
        name: of the file, and of the part that is read.
        fault, remedy: of the message "{name} {fault} (...); {remedy}".

    Raises:
        DamagedFile: one line that names the file and the remedy.
    """
    try:
        yield
    except (DamagedFile, MemoryError):
        raise
    except PermissionError as error:
        raise DamagedFile(f"{name} cannot be read ({error.strerror}); make it readable") from error
    except Exception as error:
        words = error.args[0] if isinstance(error, KeyError) and error.args else error  # without its quotes
        reason = " ".join(str(words).split())[:160] or type(error).__name__
        raise DamagedFile(f"{name} {fault} ({reason}); {remedy}") from error


def files_of(folder: Path, suffixes: Sequence[str] = PICTURES) -> list[Path]:
    """All files in a folder and its sub-folders, in the order of their names. Hidden files and
    folders do not count.

    Raises:
        DamagedFile: one line, if there are none.
        ValueError: one line, for the first file that has none of ``suffixes``.
    """
    inside = {path: path.relative_to(folder).parts for path in folder.rglob("*") if not path.is_dir()}
    paths = (path for path, parts in inside.items() if not any(part.startswith(".") for part in parts))
    found = sorted(paths, key=lambda path: path.relative_to(folder).as_posix())
    if not found:
        raise missing(folder, "images")
    if foreign := [path for path in found if path.suffix.lower() not in suffixes]:
        raise ValueError(f"{foreign[0]} is none of {', '.join(suffixes)}; move it out of the data set's folder")
    return found


def require_stated(data: Mapping[str, Any], split: str, found: int, place: Path) -> int:
    """The number of images of a split, once it is that of the task's card.

    Args:
        data: a task card's ``data``. Its ``images`` may have the number of each split.
        found: how many there are.
        place: the file or folder that has them, for the error message.

    Raises:
        ValueError: one line, for another number than the card's.
    """
    if (stated := (data.get("images") or {}).get(split, found)) != found:
        raise ValueError(f"{place} has {found} images of {split}, and data: images says {stated}; get the whole set")
    return found


def hashes(paths: Iterable[Path], folder: Path) -> dict[str, str]:
    """Name in ``folder`` -> SHA-256, of a few files that may be large."""
    progress = tqdm(list(paths), desc="hashes", unit="file", disable=None)
    return {path.relative_to(folder).as_posix(): sha256(path) for path in progress}


def hash_of_names(paths: Sequence[Path], folder: Path) -> str:
    """One SHA-256 of the names and sizes of many files, whose contents are read only once."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f"{path.relative_to(folder).as_posix()} {path.stat().st_size}\n".encode())
    return digest.hexdigest()
