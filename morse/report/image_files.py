"""Images as files: a grid, arrays, or a folder of PNG files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from morse.files import write_atomically, write_npz
from morse.formats import require_images
from morse.methods import METHODS

COLUMNS = 8
"""Images in a row of a grid."""

Write = Callable[[Mapping[str, np.ndarray], str], None]
"""Writes images: function of (method -> images (n, C, H, W) uint8, title)."""


def image_writer(path: Path) -> Write:
    """The writer of images to a path, by its suffix: .png a grid, .npz arrays, none a new folder.

    The writer raises ValueError, one line, for anything but images of one shape and number. It
    raises UnwritableFile as :func:`morse.files.write_atomically` does.

    Raises:
        ValueError: one line, for another suffix, or a folder that has files already.
    """
    if path.suffix == ".png":
        return lambda rows, title: _write_grid(_checked(rows, path), title, path)
    if path.suffix == ".npz":
        return lambda rows, title: write_npz(path, compress=True, **_checked(rows, path))
    if path.suffix:
        raise ValueError(f"{path}: images are written as .png, .npz or into a folder, not as {path.suffix}")
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise ValueError(f"{path} exists and is not an empty folder; name a new one")
    return lambda rows, title: write_atomically(lambda folder: _write_folder(_checked(rows, path), folder), path)


def _checked(rows: Mapping[str, np.ndarray], path: Path) -> Mapping[str, np.ndarray]:
    for name, images in rows.items():
        require_images(images, f"{path}: {name}")
    if len(shapes := {images.shape for images in rows.values()}) != 1:
        raise ValueError(f"{path}: methods need images of one shape and number, not {sorted(shapes)}; sample them anew")
    return rows


def _write_grid(rows: Mapping[str, np.ndarray], title: str, path: Path) -> None:
    """Writes a grid in which the same images of all methods are below each other."""
    from morse.report.images import image_grid
    from morse.report.style import save

    count = min(COLUMNS, len(next(iter(rows.values()))))
    captioned = [
        (METHODS[name].caption, _filled(images[start : start + count], count))
        for start in range(0, len(next(iter(rows.values()))), count)
        for name, images in rows.items()
    ]
    save(image_grid(captioned, title), [path])


def _filled(images: np.ndarray, count: int) -> np.ndarray:
    """The images, and white ones up to ``count``."""
    return np.concatenate([images, np.full((count - len(images), *images.shape[1:]), 255, np.uint8)])


def _write_folder(rows: Mapping[str, np.ndarray], folder: Path) -> None:
    """Writes METHOD/00000.png and so on."""
    from PIL import Image

    for name, images in rows.items():
        (folder / name).mkdir(parents=True)
        for index, image in enumerate(images):
            pixels = image[0] if len(image) == 1 else image.transpose(1, 2, 0)
            Image.fromarray(pixels).save(folder / name / f"{index:05}.png", format="PNG")
