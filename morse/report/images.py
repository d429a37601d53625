"""Images of several runs as one grid."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from morse.files import open_npz
from morse.report.style import STYLE


def image_grid(rows: Sequence[tuple[str, np.ndarray]], title: str | None = None) -> Figure:
    """A grid of images, each row with its caption to the left.

    Column i of all rows has the same starting noise.

    Args:
        rows: (caption, images). Images are uint8 (n, C, H, W), with C 1 (grey) or 3 (RGB), and the
            same shape in all rows.
        title: heading of the figure.

    Raises:
        ValueError: if the images are not such arrays.
    """
    shapes = {images.shape for _, images in rows}
    if len(shapes) != 1 or any(
        images.dtype != np.uint8 or images.ndim != 4 or images.shape[1] not in (1, 3) for _, images in rows
    ):
        raise ValueError(f"rows of images must be uint8 (n, 1 or 3, H, W) of one shape, not {sorted(shapes)}")
    count, _, height, width = shapes.pop()
    size = min(1.0, 9.0 / count)  # inches, as all lengths below: the width of an image
    gap, head = 0.05, 0.35 if title else 0.05
    left = 0.15 + 0.075 * max(len(line) for caption, _ in rows for line in caption.splitlines())
    tall = size * height / width
    page_width, page_height = left + count * (size + gap), head + len(rows) * (tall + gap)
    with matplotlib.rc_context({**STYLE, "axes.grid": False}):
        figure = Figure(figsize=(page_width, page_height))
        if title:
            figure.text(0.5, 1 - 0.5 * head / page_height, title, fontsize=11, ha="center", va="center")
        for index, (caption, images) in enumerate(rows):
            top = page_height - head - index * (tall + gap)
            figure.text((left - 0.1) / page_width, (top - 0.5 * tall) / page_height, caption, ha="right", va="center")
            for column, image in enumerate(np.broadcast_to(images, (count, 3, height, width))):
                x = left + column * (size + gap)
                axes = figure.add_axes(
                    (x / page_width, (top - tall) / page_height, size / page_width, tall / page_height)
                )
                axes.imshow(image.transpose(1, 2, 0), interpolation="nearest", aspect="auto")  # (H, W, C)
                axes.set_axis_off()
    return figure


def read_rows(captions: Sequence[str], paths: Sequence[Path | str]) -> list[tuple[str, np.ndarray]]:
    """Rows of :func:`image_grid`: a caption and the images of an .npz file each."""
    rows = []
    for caption, path in zip(captions, paths, strict=True):
        with open_npz(path, "file of images", "delete it and run again") as file:
            rows.append((caption, file["images"]))
    return rows
