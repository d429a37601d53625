"""Originals -> the prepared data set of a task."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from morse.data import DATASETS
from morse.experiments.cards import only, resource, without
from morse.published import DIGITS, ORIGINALS, Source, check, digest_of, folder


def preparation_view(data: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a task card's ``data`` that their preparation depends on.

    Of the originals these are sizes and hashes, but no addresses. So a new address prepares nothing
    again.
    """
    view = without(data, ("source", "licence", "sha256"))
    known = [only(entry, ("file", "size", *DIGITS)) for entry in data.get("source", [])]
    return view | ({"source": known} if known else {})


def prepare_data(task: str, data: Mapping[str, Any]) -> Path:
    """Prepares the data of a task where its card says. Returns the file.

    Args:
        data: the card's, or :func:`preparation_view` of it. Originals are in
            ``data/originals/TASK``. Those whose size or hash it states are checked, as a person may
            have put them there.

    Raises:
        ValueError: one line, for data that ship, and as the kind's function.
        UnknownName: for an unknown kind.
        DamagedFile: one line, for missing or foreign originals.
    """
    if "kind" not in data:
        raise ValueError(f"the data of {task} ship as {data['file']}; there is nothing to prepare")
    path, originals, prepare = resource(data["file"]), folder("data") / ORIGINALS / task, DATASETS[data["kind"]]
    for entry in data.get("source", []):
        original = originals / entry["file"]
        if original.exists():  # if not, the kind's function says what is missing
            known = {"size": entry.get("size"), "digest": digest_of(entry)}
            check(Source(task, original, by_hand=f"the page in the card of {task}", **known), original)
    prepare(data, originals, path)
    return path
