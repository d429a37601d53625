"""A folder of one's own images as a data set.

Sub-folders ``train`` and ``test`` are its splits, if both are there. Otherwise every tenth file, in
the order of names, is of the split ``test``. Classes are not read.
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
        data: a task card's ``data``. ``folder`` names the folder; ``size`` is of the images.
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
    size = data["size"]
    splits = {split: (len(own), _images(own, size)) for split, own in paths.items() if own}
    every = [path for own in paths.values() for path in own]
    write_prepared(output, "folder", RULE, {"names and sizes": hash_of_names(every, folder)}, (3, size, size), splits)


def _images(paths: Sequence[Path], size: int) -> Iterator[tuple[np.ndarray, None]]:
    for path in paths:
        yield shrunk(picture(path, str(path)), size, str(path)), None
