"""Files of images, of whatever format and shape, as square RGB images by one stated rule."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from morse.data.originals import reading

RULE = (
    "RGB: grey is repeated, palettes and CMYK are converted by Pillow, 16-bit grey is divided by 257, of other "
    "16-bit images the upper 8 bits count, EXIF turns; alpha and animations are refused; halved by BOX while twice "
    "the size, BICUBIC to the short side, centre crop"
)
"""How :func:`picture` and :func:`shrunk` make a square image, in words."""
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")
"""Pillow's formats that are read. Others may run programs, whatever a file is called."""
DEEP = ("I;16", "I;16B", "I;16L", "I")
"""Pillow's modes of 16-bit grey. It has none of 16-bit colours, and reads their upper 8 bits."""


def picture(file: Path | IO[bytes], name: str) -> Image.Image:
    """An image file in RGB, as :data:`RULE` says.

    Args:
        name: what error messages call it.

    Raises:
        DamagedFile: one line, for a file that is no whole image.
        ValueError: one line, for an image with an alpha channel, or an animation.
    """
    with _opened(file, name) as image:
        if not (fault := _fault(image)):
            turned = ImageOps.exif_transpose(image)
            if turned.mode in DEEP:
                deep = np.asarray(turned).astype(np.int64)
                turned = Image.fromarray(((deep + 128) // 257).clip(0, 255).astype(np.uint8))
            rgb = turned.convert("RGB")
    if fault:
        raise ValueError(f"{name} {fault}")
    return rgb


def as_stored(file: Path | IO[bytes], name: str) -> Image.Image:
    """An image file in its own mode: not turned, not converted, nothing refused but damage.

    Raises:
        DamagedFile: as :func:`picture`.
    """
    with _opened(file, name) as image:
        return image.copy()


@contextmanager
def _opened(file: Path | IO[bytes], name: str) -> Iterator[Image.Image]:
    with reading(name, "is no whole image", "take it out, or get it again"):
        try:
            opened = Image.open(file, formats=FORMATS)
        except UnidentifiedImageError as error:  # it would name an object in memory
            raise ValueError(f"none of {', '.join(FORMATS)}") from error
        with opened as image:
            yield image


def _fault(image: Image.Image) -> str:
    """Why an image is refused, in words; empty if it is not."""
    if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":  # of cameras, with a preview
        return "is an animation; take it out, or save one frame of it"
    return "has transparent pixels; save it without an alpha channel" if _is_transparent(image) else ""


def _is_transparent(image: Image.Image) -> bool:
    """Whether some pixel is not opaque. An alpha channel that says nothing is no fault."""
    return image.has_transparency_data and image.convert("RGBA").getchannel("A").getextrema()[0] < 255


def shrunk(image: Image.Image, size: int, name: str = "the image") -> np.ndarray:
    """(3 or 1, size, size) uint8: the middle of an image, by :func:`fitted`.

    Raises:
        ValueError: one line, for an image that is smaller than ``size``.
    """
    if min(image.size) < size:
        raise ValueError(f"{name} is {image.size[0]} x {image.size[1]}, smaller than {size} x {size}; take it out")
    return squared(image, size)


def squared(image: Image.Image, size: int) -> np.ndarray:
    """(3 or 1, size, size) uint8: the middle of an image of any size, by :func:`fitted`."""
    return np.asarray(fitted(image, size)).reshape(size, size, -1).transpose(2, 0, 1)


def fitted(image: Image.Image, size: int) -> Image.Image:
    """The middle of an image, ``size`` x ``size``, as iDDPM's authors make it, in its mode.

    It is halved with a box filter while its short side is at least twice the size, then resized
    with a bicubic one (openai/improved-diffusion, improved_diffusion/image_datasets.py). A smaller
    image is enlarged.
    """
    while min(image.size) >= 2 * size:
        image = image.resize((image.size[0] // 2, image.size[1] // 2), Image.Resampling.BOX)
    scale = size / min(image.size)
    image = image.resize((round(image.size[0] * scale), round(image.size[1] * scale)), Image.Resampling.BICUBIC)
    left, top = ((length - size) // 2 for length in image.size)
    return image.crop((left, top, left + size, top + size))
