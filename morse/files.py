"""Reading and writing files: each is whole or absent, and has the hash that it should have.

What a file's format cannot hold is refused before anything is written. So what was written comes
back equal.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.npyio import NpzFile

from morse.formats import lacking, require_json, storable


class DamagedFile(RuntimeError):
    """Raised for a file that is missing, unreadable, or of another SHA-256 than expected."""


class UnwritableFile(OSError):
    """Raised where a file cannot be written, such as on a full disk. What was there is kept."""


WRITE_FAULTS = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), "free space on that disk and run again"),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), "make that folder writable, or name another one"),
    **dict.fromkeys((errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY), "move what has that name"),
    errno.ENAMETOOLONG: "use shorter names",
}
"""Error numbers of failed writes -> what to do."""


def sha256(path: Path | str) -> str:
    """The file's SHA-256 as hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_digits(expected: str, path: Path | str) -> str:
    """The SHA-256 that a file should have, as 64 digits in small letters.

    Raises:
        ValueError: one line, if ``expected`` is not 64 hexadecimal digits.
    """
    if len(expected) != 64 or not re.fullmatch("[0-9a-fA-F]*", expected):
        fault = f"has {len(expected)} digits, not 64" if len(expected) != 64 else "is not hexadecimal"
        raise ValueError(f"the expected sha256 of {path} {fault}; give what `sha256sum` prints for the right file")
    return expected.lower()


def require(path: Path | str, expected: str | None = None, what: str = "file") -> Path:
    """The path of a file that exists and has the SHA-256 ``expected``; None: any.

    Args:
        what: what the error message calls the file.

    Raises:
        DamagedFile: one line that names the file and the remedy.
        ValueError: if ``expected`` is not 64 hexadecimal digits, or no file can have that name.
    """
    path = _namable(path)
    if not path.is_file():
        raise DamagedFile(f"{what} {path} is missing; restore it from the repository, or make it again with its rule")
    if expected is not None:
        wanted = hash_digits(expected, path)
        try:
            found = sha256(path)
        except OSError as error:
            raise DamagedFile(f"{what} {path} cannot be read ({error.strerror}); make it readable") from error
        digits = 12 if found[:12] != wanted[:12] else 64  # enough to see a difference
        if found != wanted:
            fault = f"sha256 {found[:digits]}..., expected {wanted[:digits]}..."
            raise DamagedFile(f"{what} {path} is damaged: {fault}; restore or remake it")
    return path


def _namable(path: Path | str) -> Path:
    """The path, once it is checked that the locale has its letters. Raises ValueError if not."""
    try:
        os.fsencode(path)
    except UnicodeEncodeError as error:
        fault = f"the locale's encoding, {sys.getfilesystemencoding()}, lacks {error.object[error.start]!r}"
        raise ValueError(f"{path} cannot be named: {fault}; set LC_ALL=C.UTF-8") from error
    return Path(path)


@contextmanager
def open_npz(path: Path | str, what: str, remedy: str, expected: str | None = None) -> Iterator[NpzFile]:
    """The arrays of an .npz file, as a context manager.

    Any error while they are read or used is raised as DamagedFile.

    Args:
        what, remedy: of the message "{what} {path} is damaged (...); {remedy}".
        expected: its SHA-256; unchecked if None.

    Raises:
        DamagedFile: one line that names the file and the remedy.
        ValueError: as :func:`require`.
    """
    path = require(path, expected, what)
    try:
        with open(path, "rb") as stream, np.load(stream) as file:  # np.load(path) leaves a damaged file open
            yield file
    except MemoryError:
        raise
    except PermissionError as error:
        raise DamagedFile(f"{what} {path} cannot be read ({error.strerror}); make it readable") from error
    except Exception as error:  # NumPy, zipfile and zlib raise some ten types for damaged bytes
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DamagedFile(f"{what} {path} is damaged ({reason}); {remedy}") from error


def write_npz(path: Path | str, compress: bool = False, **arrays: Any) -> None:
    """Writes arrays as an .npz file, in their order, whole or not at all.

    :func:`open_npz` reads it.

    Args:
        arrays: NumPy arrays, numbers, text, or tuples and lists of them.

    Raises:
        ValueError: one line, for what such a file cannot hold, such as an array of objects.
        UnwritableFile: as :func:`write_atomically`.
    """
    save = np.savez_compressed if compress else np.savez
    arrays = {name: storable(value, f"{path}: {name}") for name, value in arrays.items()}

    def write(temporary: Path) -> None:
        with open(temporary, "wb") as file:  # given a path, NumPy would add a suffix
            save(file, **arrays)

    write_atomically(write, Path(path))


def write_atomically(write: Callable[[Path], None], path: Path) -> None:
    """Writes a file or folder whole or not at all.

    ``write`` gets a temporary path beside ``path``; then that is renamed to ``path``.

    Raises:
        UnwritableFile: one line that names the file, the reason and the remedy.
        ValueError: if no file can have that name.
    """
    temporary = _namable(path).with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            _discard(temporary)  # of a run that was killed
            write(temporary)
            temporary.replace(path)
        finally:
            with suppress(OSError):
                _discard(temporary)
    except OSError as error:
        place = Path(str(error.filename or temporary))
        if temporary not in (place, *place.parents) and place not in path.parents:
            raise  # of a file that is only read
        reason = error.strerror or " ".join(str(error).split()) or type(error).__name__
        reason += f": {place}" if place != temporary else ""
        remedy = WRITE_FAULTS.get(error.errno, "see to that disk and run again")
        raise UnwritableFile(f"{path} cannot be written ({reason}); {remedy}") from error


def _discard(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def write_bytes(content: bytes, path: Path | str) -> None:
    """Writes bytes, whole or not at all."""
    write_atomically(lambda temporary: temporary.write_bytes(content), Path(path))


def write_text(text: str, path: Path | str) -> None:
    """Writes text in UTF-8, whole or not at all. Raises ValueError for what is no text in it."""
    try:
        content = text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(f"{path}: {text[error.start]!r} is no character; leave it out of names and text") from error
    write_bytes(content, path)


def write_json(content: Any, path: Path | str) -> None:
    """Writes JSON, whole or not at all.

    Args:
        content: dictionaries with keys of text, lists, text, finite numbers, True, False and None.

    Raises:
        ValueError: one line that names the file, the key and the remedy, for anything else.
        UnwritableFile: as :func:`write_atomically`.
    """
    require_json(content, str(path))
    write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", path)


REMEDY = "delete it and run again"
NUMBER = (int, float)
"""The types of a number in JSON, for :func:`read_json`."""


def read_json(path: Path | str, needs: Mapping[str, type | tuple[type, ...]] | None = None) -> Any:
    """Reads JSON.

    Args:
        needs: key, with a point before each inner key -> the type that its value must have.

    Raises:
        DamagedFile: one line, for a file that is missing, cannot be read, or lacks such a value.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DamagedFile(f"{path} is missing; run again, which makes it") from error
    except (OSError, ValueError, RecursionError) as error:  # of UTF-8 and JSON are ValueErrors
        raise DamagedFile(f"{path} is damaged ({error}); {REMEDY}") from error
    return require_keys(content, needs or {}, path)


def require_keys(content: Any, needs: Mapping[str, type | tuple[type, ...]], path: Path | str) -> Any:
    """The content of a JSON file itself, if it has what :func:`read_json` ``needs``. Raises
    DamagedFile, one line, otherwise."""
    if fault := lacking(content, needs):
        raise DamagedFile(f"{path} is damaged ({fault}); {REMEDY}")
    return content
