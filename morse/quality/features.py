"""Features of the images of a run or data set, as a file.

Some metrics need the features themselves, not only their sums.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from morse.data.parts import first_gap
from morse.files import open_npz, write_npz
from morse.formats import require_number, require_text
from morse.quality.statistics import Statistics
from morse.registry import remove_and_run


@dataclass(frozen=True)
class Features:
    """Features of images ``first``, ``first`` + 1, ... of a run or data set.

    Attributes:
        extractor, data: identities as in :class:`morse.quality.statistics.Statistics`.
        first: index of the first image.
        values: (n, D) float32.
    """

    extractor: str
    data: str
    first: int
    values: np.ndarray

    def save(self, path: Path) -> None:
        """Writes an .npz file, whole or not at all.

        Raises:
            ValueError: one line, for values that are not finite or that float32 cannot hold.
            UnwritableFile: as :func:`morse.files.write_atomically`.
        """
        values, name = self.values, f"{path}: features of {self.data}"
        if not isinstance(values, np.ndarray) or values.dtype.kind != "f" or values.ndim != 2 or not values.size:
            found = f"{values.dtype} {values.shape}" if isinstance(values, np.ndarray) else type(values).__name__
            raise ValueError(f"{name}: features must be an array (n, D) of floats, not {found}")
        if not np.isfinite(values).all():
            bad = self.first + int(np.argmin(np.isfinite(values).all(1)))
            raise ValueError(f"{name}: those of image {bad} are not finite; check the extractor's weights")
        with np.errstate(over="ignore"):
            kept = values.astype(np.float32)
        if not np.array_equal(kept, values):
            raise ValueError(f"{name}: float32 cannot hold them; round them to float32 first")
        require_number(self.first, f"{name}: first", whole=True)
        for word in ("extractor", "data"):
            require_text(getattr(self, word), f"{name}: {word}")
        write_npz(path, extractor=self.extractor, data=self.data, first=self.first, values=kept)

    @classmethod
    def load(cls, path: Path | str) -> Features:
        """Reads the file of :meth:`save`. Raises DamagedFile, one line, if it is missing or
        unreadable."""
        with open_npz(path, "file of features", "delete it and make it again with its rule") as file:
            values = file["values"]
            if values.ndim != 2:
                raise ValueError(f"an array of shape {values.shape}")
            return cls(str(file["extractor"]), str(file["data"]), int(file["first"]), values)


def read_features(paths: Iterable[Path | str]) -> Features:
    """The features of all images of some files, in order.

    Raises:
        DamagedFile: as :meth:`Features.load`.
        ValueError: as :func:`joined`; one line with the command that helps, if files are of unlike
            extractors.
    """
    parts = {Path(path): Features.load(path) for path in paths}
    _require_one_extractor({path: part.extractor for path, part in parts.items()})
    return joined(list(parts.values()))


def read_with_reference(paths: Iterable[Path | str], reference: Path | str) -> tuple[Features, Statistics]:
    """The features of all images of some files, and the statistics of the reference.

    Raises as :func:`read_features` does, also if the reference is of another extractor.
    """
    features, statistics = read_features(paths := list(paths)), Statistics.load(reference)
    extractors = dict.fromkeys(map(Path, paths), features.extractor) | {Path(reference): statistics.extractor}
    _require_one_extractor(extractors)
    return features, statistics


def _require_one_extractor(extractors: Mapping[Path, str]) -> None:
    """Of files by unlike extractors, those that are not like the newest are to be made anew.

    Snakemake does so where a card has changed, but not where the library has.
    """
    newest = max(extractors, key=lambda path: path.stat().st_mtime_ns)
    if odd := [path for path, extractor in extractors.items() if extractor != extractors[newest]]:
        raise ValueError(
            f"{odd[0]} is by the extractor {extractors[odd[0]]}, and {newest}, which is newer, by "
            f"{extractors[newest]}; {remove_and_run('to make anew', *odd)}"
        )


def joined(parts: Sequence[Features]) -> Features:
    """The features of all images, in order, from parts in any order.

    Raises:
        ValueError: if the parts differ in extractor or data, or images are missing or appear twice.
    """
    parts = sorted(parts, key=lambda part: part.first)
    for part in parts:
        if (part.extractor, part.data) != (parts[0].extractor, parts[0].data):
            other = f"{parts[0].data} by {parts[0].extractor}"
            raise ValueError(f"features of {part.data} by {part.extractor} and of {other} do not go together")
    if (gap := first_gap((part.first, len(part.values)) for part in parts)) is not None:
        raise ValueError(
            f"the features of image {gap} of {parts[0].data} are missing or appear twice; "
            "delete its files and run again"
        )
    return Features(parts[0].extractor, parts[0].data, 0, np.concatenate([part.values for part in parts]))


PUBLISHED = "published"
"""How the identity of reference statistics begins that others publish."""


def part_of(kept: int, images: int) -> str:
    """How the identity of the features of some of a data set's images ends; empty if of all."""
    return "" if kept == images else f"/{kept} of {images}"


def of_one_reference(features: str, statistics: str) -> bool:
    """Whether features and statistics with these identities are of one reference.

    The features may be of a part of the images. Published statistics have a name only: whoever
    writes it into the task's card says that they are of its images.
    """
    whole = re.sub(r"/\d+ of \d+$", "", features)
    return whole == statistics or statistics.startswith(f"{PUBLISHED}/")


def comparable(features: np.ndarray, reference: np.ndarray, least: int) -> tuple[np.ndarray, np.ndarray]:
    """Two sets of features in float64, once they are checked.

    They must be (n, D) and (m, D), finite, with ``least`` points or more. Raises ValueError
    otherwise.
    """
    x, y = np.asarray(features, np.float64), np.asarray(reference, np.float64)
    if x.ndim != 2 or x.shape[1:] != y.shape[1:]:
        raise ValueError(f"features are (n, D) and (m, D) with one D, not {x.shape} and {y.shape}")
    for name, values in (("generated", x), ("reference", y)):
        if len(values) < least:
            raise ValueError(f"there are {len(values)} {name} points; this metric needs {least} or more")
        if not np.isfinite(values).all():
            raise ValueError(
                f"the {name} features of image {int(np.argmin(np.isfinite(values).all(1)))} are not finite"
            )
    return x, y


def blocks(n: int) -> Iterator[slice]:
    """Slices of :data:`BLOCK` points that cover n."""
    return (slice(start, start + BLOCK) for start in range(0, n, BLOCK))


BLOCK = 2048
"""Points to a side of the blocks in which pairs are computed: 32 MB of float64 each."""
