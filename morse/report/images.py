"""Images of several runs as one grid."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from morse.files import open_npz
from morse.report.headings import heading
from morse.report.style import STYLE

LINE = 0.15
"""Inches, of a line of text."""


def image_grid(
    rows: Sequence[tuple[str, np.ndarray]], title: str | None = None, columns: Sequence[str] = (), widest: float = 1.0
) -> Figure:
    """A grid of images, each row with its caption to the left.

    Column i of all rows has the same starting noise.

    Args:
        rows: (caption, images). Images are uint8 (n, C, H, W), with C 1 (grey) or 3 (RGB), and the
            same shape in all rows.
        title: heading of the figure.
        columns: a text above each column, such as a prompt; it is shortened to fit.
        widest: the largest width of an image in inches.

    Raises:
        ValueError: if the images are not such arrays, or the columns have another number of texts.
    """
    shapes = {images.shape for _, images in rows}
    if len(shapes) != 1 or any(
        images.dtype != np.uint8 or images.ndim != 4 or images.shape[1] not in (1, 3) for _, images in rows
    ):
        raise ValueError(f"rows of images must be uint8 (n, 1 or 3, H, W) of one shape, not {sorted(shapes)}")
    count, _, height, width = shapes.pop()
    if columns and len(columns) != count:
        raise ValueError(f"{count} columns of images have {len(columns)} headings; give one for each")
    size = min(widest, 9.0 / count)  # inches, as all lengths below: the width of an image
    gap, title_height = 0.05, 0.35 if title else 0.05
    headings = [heading(text, size - 2 * gap) for text in columns]
    head = title_height + max((LINE * (text.count("\n") + 1) + 0.05 for text in headings), default=0.0)
    left = 0.15 + 0.075 * max(len(line) for caption, _ in rows for line in caption.splitlines())
    tall = size * height / width
    page_width, page_height = left + count * (size + gap), head + len(rows) * (tall + gap)
    with matplotlib.rc_context({**STYLE, "axes.grid": False}):
        figure = Figure(figsize=(page_width, page_height))
        if title:
            figure.text(0.5, 1 - 0.5 * title_height / page_height, title, fontsize=11, ha="center", va="center")
        for column, text in enumerate(headings):
            middle = left + column * (size + gap) + 0.5 * size
            place = middle / page_width, 1 - (head - 0.05) / page_height
            figure.text(*place, text, ha="center", va="bottom", linespacing=1.1)
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
