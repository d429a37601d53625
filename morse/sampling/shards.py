"""Shards: the images of a run, some hundreds or thousands in a file, with what it cost to make them."""

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
        seconds: wall-clock of the loop, loading and warm-up not counted.
        plan: the network of each call of an image, as :attr:`morse.methods.plans.Plan.letters`.
        memory: the most bytes it took (:func:`morse.runtime.device.peak_memory`); None where nobody looked.
        provenance: what sampled (:func:`morse.provenance.provenance`), which another process may record; empty where nobody said.
    """

    images: np.ndarray
    first: int
    seconds: float
    plan: str
    memory: int | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)


def save_shard(shard: Shard, path: Path | str) -> None:
    """Writes a shard, whole or not at all; the images come last and uncompressed, the file is short-lived."""
    parts = {"first": shard.first, "seconds": shard.seconds, "plan": shard.plan, "memory": shard.memory or 0}
    write_npz(path, **parts, provenance=json.dumps(dict(shard.provenance)), images=shard.images)


def load_shard(path: Path | str) -> Shard:
    """Reads :func:`save_shard`'s file.

    Raises:
        DamagedFile: one line that names the file and the mend.
    """
    with open_npz(path, "shard", "delete it and run again, it is sampled anew") as file:
        memory, provenance = int(file["memory"]) or None, json.loads(str(file["provenance"]))
        return Shard(file["images"], int(file["first"]), float(file["seconds"]), str(file["plan"]), memory, provenance)
