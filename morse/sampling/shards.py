"""Shards: files of some hundreds or thousands of a run's images, with the cost of sampling them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from morse.data.parts import first_gap
from morse.files import open_npz, write_npz
from morse.formats import require_images, require_json, require_number, require_text
from morse.provenance import CORES, provenance, without_cores
from morse.registry import remove_and_run

SAMPLING = ("torch", "diffusers", "numpy")
"""Packages whose version decides the pixels; others only make tables."""
SAMPLE_ANEW = "to sample anew"


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
        decoding: how many of the seconds made images of samples: a latent model's decoder, and
            rounding to uint8.
    """

    images: np.ndarray
    first: int
    seconds: float
    letters: str
    memory: int | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)
    costs: Mapping[str, float] = field(default_factory=dict)
    decoding: float = 0.0


def save_shard(shard: Shard, path: Path | str) -> None:
    """Writes a shard, whole or not at all.

    Images come last and are not compressed, as the file is short-lived.

    Raises:
        ValueError: one line that names the file and the part that it cannot hold.
        UnwritableFile: as :func:`morse.files.write_atomically`.
    """
    require_images(shard.images, f"{path}: images")
    require_number(shard.first, f"{path}: first", whole=True)
    require_number(shard.seconds, f"{path}: seconds")
    require_number(shard.decoding, f"{path}: decoding")
    require_text(shard.letters, f"{path}: letters")
    if shard.memory is not None:
        require_number(shard.memory, f"{path}: memory", whole=True)
    for letter, cost in shard.costs.items():
        require_number(cost, f"{path}: costs: {letter}")
    words = {name: dict(getattr(shard, name)) for name in ("provenance", "costs")}
    require_json(words, str(path))
    parts = {"first": shard.first, "seconds": shard.seconds, "letters": shard.letters}
    parts |= {"decoding": shard.decoding}
    parts |= {"memory": -1 if shard.memory is None else shard.memory}
    parts |= {name: json.dumps(word) for name, word in words.items()}
    write_npz(path, **parts, images=shard.images)


def load_shard(path: Path | str) -> Shard:
    """Reads the file of :func:`save_shard`.

    Raises:
        DamagedFile: one line that names the file and the remedy.
    """
    with open_npz(path, "shard", "delete it and run again, it is sampled again") as file:
        memory, images = int(file["memory"]), file["images"]
        require_images(images, "images")
        return Shard(
            images,
            int(file["first"]),
            float(file["seconds"]),
            str(file["letters"]),
            memory if memory >= 0 else None,
            json.loads(str(file["provenance"])),
            json.loads(str(file["costs"])),
            float(file["decoding"]),
        )


def read_shards(paths: Iterable[Path | str]) -> list[Shard]:
    """All shards of a run, in the order of their images.

    Shards may differ in the number of cores, which changes images by rounding only
    (:func:`joint_provenance`).

    Raises:
        DamagedFile: as :func:`load_shard`.
        ValueError: one line with the command that helps, if an image is missing or appears twice,
            or shards were made with unlike calls, devices, executions or versions.
    """
    shards = {Path(path): load_shard(path) for path in paths}
    if (gap := first_gap((one.first, len(one.images)) for one in shards.values())) is not None:
        raise ValueError(f"image {gap} of the run is missing or appears twice; {remove_and_run(SAMPLE_ANEW, *shards)}")
    made_by = {path: _made_by(shard) for path, shard in shards.items()}
    # Of shards that the code of now does not make, none would fit those that it will make.
    now = _versions(provenance()).items()
    of_now = {path: now <= made_by[path].items() for path in shards}
    right = max(shards, key=lambda path: (of_now[path], path.stat().st_mtime_ns))
    if odd := [path for path in shards if made_by[path] != made_by[right]]:
        first, last = made_by[odd[0]], made_by[right]
        field = next(name for name in last if first[name] != last[name])
        unfit = [path for path in shards if path in odd or not of_now[path]]
        raise ValueError(
            f"shard {odd[0]} was made with {field} {_short(first[field])}, and {right.name} with "
            f"{_short(last[field])}; {remove_and_run(SAMPLE_ANEW, *unfit)}"
        )
    return sorted(shards.values(), key=lambda shard: shard.first)


def joint_provenance(shards: Sequence[Shard]) -> dict[str, Any]:
    """The provenance of shards that :func:`read_shards` gives, with all their numbers of cores."""
    first = dict(shards[0].provenance)
    cores = {match[1] for shard in shards if (match := CORES.search(str(shard.provenance.get("device"))))}
    if len(cores) > 1:
        first["device"] = CORES.sub(f", {' and '.join(sorted(cores, key=int))} cores", first["device"])
    return first


def _versions(provenance: Mapping[str, Any]) -> dict[str, Any]:
    versions = provenance.get("versions", {})
    return {"code": provenance.get("code")} | {package: versions.get(package) for package in SAMPLING}


def _made_by(shard: Shard) -> dict[str, Any]:
    """What must be the same for all shards of a run."""
    by = shard.provenance
    return {
        "the calls": shard.letters,
        "the costs of calls": dict(shard.costs),
        "the device": without_cores(str(by.get("device"))),
        "the execution": by.get("execution"),
        **_versions(by),
    }


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:40]}... ({len(text)} letters)"
