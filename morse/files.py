"""Reading and writing files: each is whole or absent, and has the hash that it should have."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.npyio import NpzFile


class DamagedFile(RuntimeError):
    """Raised for a file that is missing, unreadable, or of another SHA-256 than expected."""


def sha256(path: Path | str) -> str:
    """The file's SHA-256 as hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def require(path: Path | str, expected: str | None = None, what: str = "file") -> Path:
    """The path of a file that exists and has the SHA-256 ``expected``; None: any.

    Args:
        what: what the error message calls the file.

    Raises:
        DamagedFile: one line that names the file and the remedy.
    """
    path = Path(path)
    if not path.is_file():
        raise DamagedFile(f"{what} {path} is missing; restore it from the repository, or make it again with its rule")
    if expected is not None and (found := sha256(path)) != expected:
        raise DamagedFile(
            f"{what} {path} is damaged: sha256 {found[:12]}..., expected {expected[:12]}...; restore or remake it"
        )
    return path


@contextmanager
def open_npz(path: Path | str, what: str, remedy: str, expected: str | None = None) -> Iterator[NpzFile]:
    """The arrays of an .npz file, as a context manager.

    Any error while they are read or used is raised as DamagedFile.

    Args:
        what, remedy: of the message "{what} {path} is damaged (...); {remedy}".
        expected: its SHA-256; unchecked if None.

    Raises:
        DamagedFile: one line that names the file and the remedy.
    """
    path = require(path, expected, what)
    try:
        with open(path, "rb") as stream, np.load(stream) as file:  # np.load(path) leaves a damaged file open
            yield file
    except Exception as error:  # NumPy, zipfile and zlib raise some ten types for damaged bytes
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DamagedFile(f"{what} {path} is damaged ({reason}); {remedy}") from error


def write_npz(path: Path | str, compress: bool = False, **arrays: Any) -> None:
    """Writes arrays as an .npz file, in their order, whole or not at all.

    :func:`open_npz` reads it.
    """
    save = np.savez_compressed if compress else np.savez

    def write(temporary: Path) -> None:
        with open(temporary, "wb") as file:  # given a path, NumPy would add a suffix
            save(file, **arrays)

    write_atomically(write, Path(path))


def write_atomically(write: Callable[[Path], None], path: Path) -> None:
    """Writes a file whole or not at all.

    ``write`` gets a temporary path beside ``path``; then that file is renamed to ``path``.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.partial")
    try:
        write(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(text: str, path: Path | str) -> None:
    """Writes text, whole or not at all."""
    write_atomically(lambda temporary: temporary.write_text(text, encoding="utf-8"), Path(path))


def write_json(content: Any, path: Path | str) -> None:
    """Writes JSON, whole or not at all."""
    write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", path)


def read_json(path: Path | str) -> Any:
    """Reads JSON. Raises DamagedFile, one line, for a file that cannot be read."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError) as error:
        raise DamagedFile(f"{path} is damaged ({error}); delete it and run again") from error
