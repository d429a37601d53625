"""Shards: files of some hundreds or thousands of a run's images, with the cost of sampling them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from morse.files import open_npz, write_npz


@dataclass(frozen=True)
class Shard:
    """Images first, first + 1, ... of a run.

    Attributes:
        images: (n, C, H, W) uint8.
        first: index of the first image in its run.
        seconds: wall-clock of the loop, without loading and warm-up.
        letters: what answered each call of an image, as in :class:`morse.methods.plans.Plan`.
        memory: peak memory in bytes (:func:`morse.runtime.device.peak_memory`); None if not
            measured.
        provenance: of the process that sampled (:func:`morse.provenance.provenance`); empty if
            unknown. The run's record may be made by another process.
        costs: letter of a call -> its nominal cost in LSD, as in the plan.
    """

    images: np.ndarray
    first: int
    seconds: float
    letters: str
    memory: int | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)
    costs: Mapping[str, float] = field(default_factory=dict)


def save_shard(shard: Shard, path: Path | str) -> None:
    """Writes a shard, whole or not at all.

    Images come last and are not compressed, as the file is short-lived.
    """
    parts = {"first": shard.first, "seconds": shard.seconds, "letters": shard.letters, "memory": shard.memory or 0}
    write_npz(
        path,
        **parts,
        provenance=json.dumps(dict(shard.provenance)),
        costs=json.dumps(dict(shard.costs)),
        images=shard.images,
    )


def load_shard(path: Path | str) -> Shard:
    """Reads the file of :func:`save_shard`.

    Raises:
        DamagedFile: one line that names the file and the remedy.
    """
    with open_npz(path, "shard", "delete it and run again, it is sampled again") as file:
        memory, provenance = int(file["memory"]) or None, json.loads(str(file["provenance"]))
        costs = json.loads(str(file["costs"]))
        return Shard(
            file["images"], int(file["first"]), float(file["seconds"]), str(file["letters"]), memory, provenance, costs
        )
