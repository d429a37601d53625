"""CelebA-HQ (Karras et al. 2018, arXiv 1710.10196): 30,000 faces, the split ``all``.

The last 1,000, in the order of names, are also the split ``test``, the others ``train``: what Dot
explains is measured on images that it was not trained on.

Copies differ: the authors' script writes arrays (.npy) of 1024 x 1024, others give JPEG or PNG
files of 1024 or 256. Larger images are halved by box filters. JPEG copies are not the same pixels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from morse.data.originals import PICTURES, files_of, hash_of_names, missing, reading, require_stated
from morse.data.pictures import picture, shrunk
from morse.data.prepared import write_prepared

FOLDER = "images"
HELD = 1000
"""Images of the split test."""


def prepare(data: Mapping[str, Any], originals: Path, output: Path) -> None:
    """Writes CelebA-HQ as a prepared data set.

    Args:
        data: a task card's ``data``.
        originals: the folder with the folder ``images``, of image files or .npy files.
        output: the dataset.json to write.

    Raises:
        DamagedFile, ValueError: one line that names the file, for missing, damaged or foreign ones,
            and for images that are not square or not of 1, 2, 4, ... times the size.
    """
    folder, size = originals / FOLDER, data["size"]
    if not folder.is_dir():
        raise missing(originals, f"folder {FOLDER}")
    paths = files_of(folder, (*PICTURES, ".npy"))
    count = require_stated(data, "all", len(paths), folder)
    held = min(HELD, count // 2)
    found = {f"{FOLDER}: names and sizes": hash_of_names(paths, folder)}
    parts = {"train": ("all", 0, count - held), "test": ("all", count - held, held)}
    splits = {"all": (count, _images(paths, size))}
    write_prepared(output, data["kind"], f"box halving to {size}", found, (3, size, size), splits, parts)


def _images(paths: Sequence[Path], size: int) -> Iterator[tuple[np.ndarray, None]]:
    for path in paths:
        image = _of_array(path) if path.suffix.lower() == ".npy" else picture(path, str(path))
        width, height = image.size
        if width != height or width % size or (width // size).bit_count() != 1:
            raise ValueError(f"{path} is of {width} x {height}, not of {size} or its doubles; get another copy")
        yield shrunk(image, size), None


def _of_array(path: Path) -> Image.Image:
    """The image of an .npy file: uint8 (3, H, W) or (1, 3, H, W), as the authors' script writes."""
    with reading(path):
        values = np.load(path, allow_pickle=False)
    values = values[0] if values.ndim == 4 and len(values) == 1 else values
    if values.dtype != np.uint8 or values.ndim != 3 or len(values) != 3:
        raise ValueError(f"{path} is {values.dtype} {values.shape}, not uint8 (3, H, W); get another copy")
    return Image.fromarray(np.ascontiguousarray(values.transpose(1, 2, 0)))
