"""Originals -> the prepared data set of a task."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from morse.data import DATASETS
from morse.experiments.cards import resource
from morse.published import ORIGINALS, folder


def prepare_data(task: str, data: Mapping[str, Any]) -> Path:
    """Prepares the data of a task where its card says. Returns the file.

    Args:
        data: the card's. Originals are in ``data/originals/TASK``.

    Raises:
        ValueError: one line, for data that ship, and as the kind's function.
        UnknownName: for an unknown kind.
        DamagedFile: one line, for missing or foreign originals.
    """
    if "kind" not in data:
        raise ValueError(f"the data of {task} ship as {data['file']}; there is nothing to prepare")
    path = resource(data["file"])
    DATASETS[data["kind"]](data, folder("data") / ORIGINALS / task, path)
    return path
