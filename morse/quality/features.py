"""The features of a run's or a data set's images as a file, for metrics that need more of them than their sums."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from morse.files import open_npz, write_npz
from morse.sampling.shards import first_gap


@dataclass(frozen=True)
class Features:
    """Features of images ``first``, ``first`` + 1, ... of a run or data set.

    Attributes:
        extractor, data: identities as in :class:`morse.quality.statistics.Statistics`.
        first: the first image's number.
        values: (n, D) float32.
    """

    extractor: str
    data: str
    first: int
    values: np.ndarray

    def save(self, path: Path) -> None:
        """Writes an .npz file, whole or not at all."""
        write_npz(path, extractor=self.extractor, data=self.data, first=self.first, values=self.values.astype(np.float32))

    @classmethod
    def load(cls, path: Path | str) -> Features:
        """What :meth:`save` wrote. Raises DamagedFile, one line, for a file that is missing or unreadable."""
        with open_npz(path, "file of features", "delete it and make it again with its rule") as file:
            values = file["values"]
            if values.ndim != 2:
                raise ValueError(f"an array of shape {values.shape}")
            return cls(str(file["extractor"]), str(file["data"]), int(file["first"]), values)


def joined(parts: Sequence[Features]) -> Features:
    """The features of all images in order.

    Raises:
        ValueError: if the parts are of unlike extractors or data, or images are missing or stand twice.
    """
    parts = sorted(parts, key=lambda part: part.first)
    for part in parts:
        if (part.extractor, part.data) != (parts[0].extractor, parts[0].data):
            other = f"{parts[0].data} by {parts[0].extractor}"
            raise ValueError(f"features of {part.data} by {part.extractor} and of {other} do not go together")
    if (gap := first_gap((part.first, len(part.values)) for part in parts)) is not None:
        raise ValueError(f"the features of image {gap} of {parts[0].data} are missing or stand twice; delete its files and run again")
    return Features(parts[0].extractor, parts[0].data, 0, np.concatenate([part.values for part in parts]))
