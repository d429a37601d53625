"""A folder of one's own images as a data set.

Sub-folders ``train`` and ``test`` are its splits, if both are there. Otherwise every tenth file, in
the order of names, is of the split ``test``. The folders that images lie in, in the order of their
names, are classes, if there are several.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from morse.data.originals import files_of, hash_of_names
from morse.data.pictures import RULE, picture, shrunk
from morse.data.prepared import write_prepared
from morse.files import DamagedFile

SPLITS = ("train", "test")
EVERY = 10


def prepare(data: Mapping[str, Any], originals: Path, output: Path) -> None:
    """Prepares a folder of images.

    Args:
        data: a task card's ``data``. ``folder`` names the folder; ``size`` is of the images, and
            ``channels``, 3 or 1 for grey, 3 if left out.
        originals: the folder, if ``data`` names none.

    Raises:
        DamagedFile, ValueError: one line, for a folder without images, or the first image that
            cannot be read, is too small, or has transparent pixels.
    """
    folder = Path(data.get("folder", originals))
    if not folder.is_dir():
        raise DamagedFile(f"{folder} is no folder; name a folder of images")
    parts = {split: folder / split for split in SPLITS}
    if all(part.is_dir() for part in parts.values()):
        paths = {split: files_of(part) for split, part in parts.items()}
    else:
        found = files_of(folder)
        paths = {"train": [p for i, p in enumerate(found) if (i + 1) % EVERY], "test": found[EVERY - 1 :: EVERY]}
    size, channels = data["size"], data.get("channels", 3)
    splits = {split: (len(own), _images(own, _classes(own), size, channels)) for split, own in paths.items() if own}
    every = [path for own in paths.values() for path in own]
    names = {"names and sizes": hash_of_names(every, folder)}
    write_prepared(output, "folder", RULE, names, (channels, size, size), splits)


def _classes(paths: Sequence[Path]) -> dict[Path, int]:
    """Folder of images -> class; none if all are in one folder."""
    folders = sorted({path.parent for path in paths})
    return {folder: index for index, folder in enumerate(folders)} if len(folders) > 1 else {}


def _images(
    paths: Sequence[Path], classes: Mapping[Path, int], size: int, channels: int
) -> Iterator[tuple[np.ndarray, int | None]]:
    for path in paths:
        image = picture(path, str(path))
        square = shrunk(image if channels == 3 else image.convert("L"), size, str(path))
        yield square, classes.get(path.parent)
