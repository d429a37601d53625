"""The reference that runs are compared with: statistics and features of a data set."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from morse.data.archive import Split
from morse.data.loading import load_split
from morse.experiments.cards import Card, resource
from morse.quality.extractors import load_extractor
from morse.quality.extractors.base import Extractor
from morse.quality.features import Features, part_of
from morse.quality.published_statistics import read_published
from morse.quality.statistics import Statistics

FEATURES_KEPT = 50_000
"""The most features that are kept, for metrics that need them: 0.4 GB for Inception's 2048.

Papers compare 50,000 samples, so as many images of the data set are enough. Statistics are always
over all images."""
BLOCK = 10_000
"""Images whose features are added to the statistics at once: 160 MB for Inception's 2048.

The last digits of the sums depend on it."""


def save_reference(
    data: Mapping[str, Any],
    split: str,
    extractor: Card,
    shipped: Mapping[str, str] | None,
    statistics: Path | str,
    features: Path | str,
    device: torch.device | str = "cpu",
    published: Mapping[str, Any] | None = None,
) -> None:
    """Writes the statistics and features of a split of a task's data, by one extractor.

    The statistics are the shipped ones if these are of the same extractor and images. So all
    machines compare with the same reference. If shipped ones do not fit, a line on stderr says so.
    Without shipped ones they are the published ones, if the card names any. Otherwise they are
    computed. Memory does not grow with the number of images beyond :data:`FEATURES_KEPT`.

    Args:
        data: a task card's ``data``.
        extractor: the extractor's card.
        shipped: ``file`` and ``sha256`` of shipped statistics; None if there are none.
        statistics, features: the files to write. Features are of all images of the split. If
            there are more than :data:`FEATURES_KEPT`, they are of images at even distances, and
            the file's ``data`` says so.
        published: of statistics that others publish, as
            :func:`morse.quality.published_statistics.read_published` takes it; None if there are
            none.
    """
    loaded, of = load_extractor(extractor, device), load_split(data, split)
    shape = of.images.shape[1:]
    found = _shipped(shipped, loaded, of) if shipped else None
    if found is None and published:
        found = read_published(published, loaded, shape)
    kept = kept_indices(len(of.images))
    sums = Statistics.empty(loaded.identity, of.identity, shape, loaded.dim, groups=1)
    values, place = np.empty((len(kept), loaded.dim), np.float32), 0
    wanted = kept if found else np.arange(len(of.images))
    for indices, block in _blocks(loaded, of.images, wanted):
        if found is None:
            sums.add(block, int(indices[0]))
        chosen = block[np.isin(indices, kept)]
        values[place : place + len(chosen)] = chosen
        place += len(chosen)
    of_kept = of.identity + part_of(len(kept), len(of.images))
    Features(loaded.identity, of_kept, 0, values).save(Path(features))
    (found or sums).save(Path(statistics))


def kept_indices(images: int) -> np.ndarray:
    """Indices of the images whose features are kept: all, or :data:`FEATURES_KEPT` at even
    distances."""
    kept = min(images, FEATURES_KEPT)
    return np.arange(kept, dtype=np.int64) * images // kept


def _shipped(shipped: Mapping[str, str], loaded: Extractor, of: Split) -> Statistics | None:
    """The shipped statistics, if they are of this extractor and these images."""
    found = Statistics.load(resource(shipped["file"]), shipped["sha256"])
    if (found.extractor, found.data) == (loaded.identity, of.identity):
        return found
    print(f"{shipped['file']} is of another extractor or data: the statistics are made again", file=sys.stderr)
    return None


def _blocks(loaded: Extractor, images: np.ndarray, wanted: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(indices (B,), features (B, D)) of the wanted images, at most :data:`BLOCK` at once.

    Images are read a batch at a time, as they may be a file larger than memory.
    """
    with tqdm(total=len(wanted), desc="reference", unit="image", disable=None) as progress:
        for first in range(0, len(wanted), BLOCK):
            indices = wanted[first : first + BLOCK]
            features = np.empty((len(indices), loaded.dim))
            for place in range(0, len(indices), loaded.batch_size):
                batch = slice(place, place + loaded.batch_size)
                features[batch] = loaded(images[indices[batch]])
                progress.update(len(indices[batch]))
            yield indices, features
