"""Data of a task, whichever kind of file they are in: an archive that ships, or a prepared set."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from morse.data.archive import Split, archive_shapes, read_split
from morse.data.prepared import prepared_shapes, read_prepared
from morse.experiments.cards import resource

PREPARED = ".json"
"""How the name of a prepared set's file ends."""


def load_split(data: Mapping[str, Any], split: str) -> Split:
    """One split of a task's data.

    Args:
        data: a task card's ``data``: ``file``, ``size``, and ``sha256`` if it is known.

    Raises:
        DamagedFile, ValueError: as :func:`morse.data.archive.read_split` and
            :func:`morse.data.prepared.read_prepared`.
    """
    path = resource(data["file"])
    read = read_prepared if path.suffix == PREPARED else read_split
    return read(path, split, data["size"], data.get("sha256"))


def shapes_of(path: Path | str) -> dict[str, tuple[int, int, int, int]]:
    """Split -> (n, C, H, W) of a file of data, without its images, so that a configuration is
    checked in no time.

    Raises:
        DamagedFile: one line, for a missing or unreadable file.
    """
    return prepared_shapes(path) if Path(path).suffix == PREPARED else archive_shapes(path)


def with_file(data: Mapping[str, Any], file: Any) -> dict[str, Any]:
    """A task card's ``data`` of another file, which a run made itself; of none, the data as they
    are."""
    return {**data, "file": str(Path(file).resolve())} if file else dict(data)
