"""Files that are whole or absent, and are the ones that their hashes name."""

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
    """A file that is missing, unreadable, or not the one that its hash names."""


def sha256(path: Path | str) -> str:
    """The file's SHA-256 as hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def require(path: Path | str, expected: str | None = None, what: str = "file") -> Path:
    """The path, once it exists and has the SHA-256 ``expected`` (unchecked where None).

    Raises:
        DamagedFile: one line that names the file and the mend.
    """
    path = Path(path)
    if not path.is_file():
        raise DamagedFile(f"{what} {path} is missing; restore it from the repository, or make it again with its rule")
    if expected is not None and (found := sha256(path)) != expected:
        raise DamagedFile(f"{what} {path} is damaged: sha256 {found[:12]}..., expected {expected[:12]}...; restore or remake it")
    return path


@contextmanager
def open_npz(path: Path | str, what: str, mend: str, expected: str | None = None) -> Iterator[NpzFile]:
    """The .npz file's arrays; whatever goes wrong while they are read and put to use tells of a damaged file.

    Args:
        what, mend: of the message "{what} {path} is damaged (...); {mend}".
        expected: its SHA-256; unchecked where None.

    Raises:
        DamagedFile: one line that names the file and the mend.
    """
    path = require(path, expected, what)
    try:
        with open(path, "rb") as stream, np.load(stream) as file:  # np.load(path) leaves a damaged file open
            yield file
    except Exception as error:  # NumPy, zipfile and zlib raise some ten types for damaged bytes
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DamagedFile(f"{what} {path} is damaged ({reason}); {mend}") from error


def write_npz(path: Path | str, compress: bool = False, **arrays: Any) -> None:
    """Writes arrays as an .npz file, in their order, whole or not at all; :func:`open_npz` reads it."""
    save = np.savez_compressed if compress else np.savez

    def write(temporary: Path) -> None:
        with open(temporary, "wb") as file:  # given a path, NumPy would add a suffix
            save(file, **arrays)

    write_atomically(write, Path(path))


def write_atomically(write: Callable[[Path], None], path: Path) -> None:
    """Calls ``write`` with a temporary path beside ``path`` and renames it, so that ``path`` is whole or absent."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.partial")
    try:
        write(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(text: str, path: str) -> None:
    """Writes text, whole or not at all."""
    write_atomically(lambda temporary: temporary.write_text(text), Path(path))


def write_json(content: Any, path: str) -> None:
    """Writes JSON, whole or not at all."""
    write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", path)


def read_json(path: str) -> Any:
    """Reads JSON; a damaged file is one line."""
    try:
        return json.loads(Path(path).read_text())
    except (OSError, json.JSONDecodeError) as error:
        raise DamagedFile(f"{path} is damaged ({error}); delete it and run again") from error
