"""Images that Dash itself makes, as a data set: what Dot is trained on where one lacks Dash's data.

They are made once, by many calls of a sampler, in parts. A killed run loses only the part that it
was making. The last tenth is the split ``test``, on which what Dot explains is measured.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch

from morse.dash.base import Dash
from morse.dash.conditioning import classes_of
from morse.dash.loading import load_dash
from morse.data.parts import bounds
from morse.data.prepared import write_prepared
from morse.experiments.cards import Card, read_card, sampler_view
from morse.methods import BASELINE
from morse.methods.plans import baseline_plan
from morse.sampling.run import run_part
from morse.sampling.shards import load_shard, save_shard
from morse.training.distributed import agreed, rank, together, world

OWN_SEED = 2_000_000
"""Seed of these images, apart from those of runs (small) and of plans (1,000,000)."""

PART = 1000
"""Images of a part, at most."""


def key_of(card: Card, dash_sha256: str) -> str:
    """A name for exactly these images: 12 digits of a hash of all that decides them.

    Args:
        card: of the model, with ``dot: training: own``.
        dash_sha256: of Dash's file of weights.
    """
    own = card["dot"]["training"]["own"]
    made_of = [dash_sha256, own, sampler_view(read_card("sampler", own["sampler"])), card["schedule"], OWN_SEED]
    return sha256(json.dumps(made_of, sort_keys=True).encode("ascii")).hexdigest()[:12]


def own_images(
    card: Card, dash_weights: Path, output: Path, device: torch.device | str = "cpu", batch_size: int = 100
) -> None:
    """Makes the images of a card's ``dot: training: own`` and writes them as a data set.

    Several processes share the parts. Image i has noise and class of its own, whatever the part.

    Args:
        output: the ``dataset.json`` to write. Parts are in a folder beside its own until all are
            made.
        batch_size: images at once.

    Raises:
        DamagedFile, ValueError, UnwritableFile: one line each.
    """
    own = card["dot"]["training"]["own"]
    with together():
        dash = load_dash(card, dash_weights, device=device)
        folder = output.parent.with_name(f"{output.parent.name}-{key_of(card, dash.weights)}.parts")
    count = -(-own["images"] // PART)
    for part in range(rank(), count, world()):
        path = folder / f"{part:05}.npz"
        if not path.exists():
            first, images = bounds(own["images"], count, part)
            _make(dash, own, path, first, images, batch_size, device, f"images of Dash, part {part + 1} of {count}")
    agreed(count, "parts")  # so all are there
    with together():
        if rank() == 0:
            _write(dash, own, [folder / f"{part:05}.npz" for part in range(count)], output)
            shutil.rmtree(folder)


def _make(
    dash: Dash, own: Mapping[str, Any], path: Path, first: int, count: int, batch_size: int, device: Any, caption: str
) -> None:
    sampler, plan = sampler_view(read_card("sampler", own["sampler"])), baseline_plan(own["calls"])
    shard = run_part(
        {"dash": dash}, BASELINE, plan, sampler, OWN_SEED, first, count, batch_size, device, caption=caption
    )
    save_shard(shard, path)


def _write(dash: Dash, own: Mapping[str, Any], parts: list[Path], output: Path) -> None:
    """Writes the parts, one in memory at a time, as a prepared data set."""
    count = own["images"]
    classes = classes_of(OWN_SEED, range(count), dash.classes)

    def images() -> Iterator[tuple[np.ndarray, int | None]]:
        for path in parts:
            shard = load_shard(path)
            for index, image in enumerate(shard.images, shard.first):
                yield image, None if not classes else int(classes[0][index])

    held = max(1, count // 10)
    splits = {"train": ("all", 0, count - held), "test": ("all", count - held, held)}
    made = f"{own['sampler']}, {own['calls']} calls, seed {OWN_SEED}"
    write_prepared(output, "own", made, {"dash": dash.weights}, dash.image_shape, {"all": (count, images())}, splits)
