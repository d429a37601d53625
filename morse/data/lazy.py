"""Images that are read and decoded only when a batch asks for them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from morse.data.originals import reading
from morse.data.pictures import picture, squared
from morse.files import DamagedFile


class LazyImages:
    """Images (n, 3, S, S) uint8 that are read and decoded when they are asked for.

    It is indexed as an array is, by a number, a slice, or an array of numbers, along its first
    axis.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, folder: Path, files: Sequence[str], places: np.ndarray, size: int):
        self.folder, self.files, self.places, self.size = folder, list(files), places, size
        self.shape = (len(places), 3, size, size)
        self.ndim = 4

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: Any) -> np.ndarray:
        places = self.places[index]
        if places.ndim == 0:
            return self._image(places)
        images = [self._image(place) for place in places]
        return np.stack(images) if images else np.empty((0, *self.shape[1:]), np.uint8)

    def _image(self, place: np.ndarray) -> np.ndarray:
        path, offset, size = self.folder / self.files[place["file"]], int(place["offset"]), int(place["size"])
        name = f"{path}, bytes {offset} to {offset + size}"
        with reading(path), open(path, "rb") as file:
            file.seek(offset)
            content = file.read(size)
        if len(content) != size:
            raise DamagedFile(f"{name}: the file was cut short since it was prepared; prepare the data again")
        return squared(picture(io.BytesIO(content), name), self.size)
