"""How figures look, and the files they are saved in."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from morse.files import write_atomically

STYLE = {
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.grid": True,
    "grid.color": "0.9",
    "axes.axisbelow": True,
    "legend.frameon": False,
    "text.parse_math": False,  # a name with two dollar signs is no formula
}

TICK_STEPS = ((1, 1.5, 2, 3, 4, 5, 6, 8), (1, 2, 3, 5), (1, 2, 5), (1, 3), (1,))
"""Ticks in a decade of a logarithmic axis, from fine to coarse."""
MAX_TICKS = 7

Z95 = 1.96

FORMATS = {".png": {}, ".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
"""Suffix of a figure's file -> metadata that keeps the date out of it."""


def plain_log_ticks(axes: Axes, which: str) -> None:
    """Sets few ticks on the logarithmic axis "x" or "y", as plain numbers.

    For example 3, 5, 10, not powers of ten.
    """
    axis, (low, high) = (axes.xaxis, axes.get_xlim()) if which == "x" else (axes.yaxis, axes.get_ylim())
    decades = 10.0 ** np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    for steps in TICK_STEPS:
        ticks = [tick for decade in decades for tick in np.multiply(decade, steps) if low <= tick <= high]
        if len(ticks) <= MAX_TICKS:
            break
    if len(ticks) < 3:  # less than a third of a decade
        ticks = [tick for tick in MaxNLocator(5).tick_values(low, high) if low <= tick <= high]
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_major_formatter(
        FuncFormatter(lambda value, _: np.format_float_positional(value, 4, fractional=False, trim="-"))
    )
    axis.set_minor_locator(NullLocator())


def formats(path: Path | str) -> list[Path]:
    """A figure's path as PNG, SVG and PDF."""
    return [Path(path).with_suffix(suffix) for suffix in FORMATS]


def save(figure: Figure, paths: Iterable[Path | str]) -> None:
    """Writes a figure to each path in the format of its suffix: png of 150 dpi, svg, pdf.

    Each file is whole or absent, and has the same bytes each time.
    """
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": "morse"}):
        for path in map(Path, paths):
            kind = path.suffix
            if kind not in FORMATS:
                raise ValueError(f"{path}: figures are saved as {', '.join(FORMATS)}")
            write_atomically(
                lambda to, kind=kind: figure.savefig(to, format=kind[1:], dpi=150, metadata=FORMATS[kind]), path
            )
