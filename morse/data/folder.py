"""A folder of one's own images as a data set.

Sub-folders ``train`` and ``test`` are its splits, if both are there. Otherwise the first of every
ten files, in the order of names, is of the split ``test``. The folders that images lie in, in the
order of their names, are classes, if there are several.
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
        found, parts = files_of(folder), dict.fromkeys(SPLITS, folder)
        paths = {"train": [path for i, path in enumerate(found) if i % EVERY], "test": found[::EVERY]}
    if not paths["train"]:
        raise ValueError(f"{folder} has one image; a data set has two or more, for its splits train and test")
    inside = {path: path.parent.relative_to(parts[split]) for split, own in paths.items() for path in own}
    classes = {name: index for index, name in enumerate(sorted({*inside.values()}))}
    labels = {path: classes[name] if len(classes) > 1 else None for path, name in inside.items()}
    size, channels = data["size"], data.get("channels", 3)
    splits = {split: (len(own), _images(own, labels, size, channels)) for split, own in paths.items()}
    names = {"names and sizes": hash_of_names(list(inside), folder)}
    write_prepared(output, "folder", RULE, names, (channels, size, size), splits)


def _images(
    paths: Sequence[Path], labels: Mapping[Path, int | None], size: int, channels: int
) -> Iterator[tuple[np.ndarray, int | None]]:
    for path in paths:
        image = picture(path, str(path))
        yield shrunk(image if channels == 3 else image.convert("L"), size, str(path)), labels[path]
