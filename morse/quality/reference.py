"""The reference that runs are compared with: statistics and features of a data set."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from morse.data.archive import identity
from morse.data.loading import load_split
from morse.experiments.cards import Card, resource
from morse.quality.extractors import load_extractor
from morse.quality.features import Features
from morse.quality.statistics import Statistics


def save_reference(
    data: Mapping[str, Any],
    split: str,
    extractor: Card,
    shipped: Mapping[str, str] | None,
    statistics: Path | str,
    features: Path | str,
    device: torch.device | str = "cpu",
) -> None:
    """Writes the statistics and features of a split of a task's data, by one extractor.

    The statistics are the shipped ones if these are of the same extractor and images. So all
    machines compare with the same reference. Otherwise they are computed. If shipped ones do not
    fit, a line on stderr says so.

    Args:
        data: a task card's ``data``.
        extractor: the extractor's card.
        shipped: ``file`` and ``sha256`` of shipped statistics; None if there are none.
        statistics, features: the files to write.
    """
    loaded = load_extractor(extractor, device)
    of_data = identity(data["file"], data["sha256"], split, data["size"])
    images = load_split(data, split).images
    values = loaded(images)
    Features(loaded.identity, of_data, 0, values).save(Path(features))
    found = Statistics.load(resource(shipped["file"]), shipped["sha256"]) if shipped else None
    if found and (found.extractor, found.data) != (loaded.identity, of_data):
        print(f"{shipped['file']} is of another extractor or data: the statistics are made again", file=sys.stderr)
        found = None
    if found is None:
        found = Statistics.empty(loaded.identity, of_data, images.shape[1:], loaded.dim, groups=1)
        found.add(values, 0)
    found.save(Path(statistics))
