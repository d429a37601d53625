"""The figure of the map of what Dot explains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure

from morse.report.style import STYLE


def residual_heatmap(
    maps: Mapping[str, np.ndarray], t_edges: Sequence[float], gap_edges: Sequence[float], title: str | None = None
) -> Figure:
    """How much of Dash's change is explained, by timestep and gap, a panel for each map.

    The value is ``1 - |eps_s + Dot - eps_t|^2 / |eps_s - eps_t|^2``. 1 is a perfect Dot, 0 is no
    better than Dash's last estimate, and below 0 is worse. Colours stop at -1 and 1, the numbers do
    not.

    Args:
        maps: heading of a panel -> (n_t, n_gap), a value for the pairs in each bin; NaN for bins
            without pairs, which stay blank.
        t_edges: (n_t + 1,) edges of t_s, the timestep of Dash's estimate.
        gap_edges: (n_gap + 1,) edges of t_s - t, the gap from there to Dot's estimate, in
            timesteps.
        title: heading of the figure.

    Raises:
        ValueError: one line, for a map that does not fit the edges.
    """
    rows, columns = len(t_edges) - 1, len(gap_edges) - 1
    for explained in maps.values():
        if explained.shape != (rows, columns):
            has = "{} x {} cells need {} and {} edges".format(*explained.shape, *(n + 1 for n in explained.shape))
            raise ValueError(f"{has}, not {len(t_edges)} and {len(gap_edges)}")
    width, height = max(0.62 * columns + 2.0, 4.5), max(0.42 * rows + 1.2, 2.8)
    with matplotlib.rc_context({**STYLE, "axes.grid": False}):
        figure = Figure(figsize=(width * len(maps), height), layout="constrained")
        for axes, (heading, explained) in zip(
            figure.subplots(1, len(maps), squeeze=False)[0], maps.items(), strict=True
        ):
            mesh = _panel(axes, explained)
            axes.set_xticks(range(columns + 1), [f"{edge:g}" for edge in gap_edges])
            axes.set_yticks(range(rows + 1), [f"{edge:g}" for edge in t_edges])
            axes.set_xlabel("gap to Dot's estimate, $t_s - t$ (timesteps)", parse_math=True)
            axes.set_ylabel("time of Dash's estimate, $t_s$", parse_math=True)
            axes.set_title(heading)
        figure.colorbar(mesh, label="explained residual", extend="min")
        if title:
            figure.suptitle(title, fontsize=9)
    return figure


def _panel(axes: Axes, explained: np.ndarray) -> QuadMesh:
    """A map with its numbers. All cells have one size, whatever the widths of their bins, so that
    the numbers fit."""
    mesh = axes.pcolormesh(
        np.ma.masked_invalid(explained), cmap="PuOr", vmin=-1.0, vmax=1.0, edgecolors="white", linewidth=0.5
    )
    for row, column in np.argwhere(np.isfinite(explained)):
        value = explained[row, column]
        shade = "white" if abs(value) > 0.6 else "black"
        text = f"{value:.2f}".replace("-", "−")
        axes.text(column + 0.5, row + 0.5, text, ha="center", va="center", color=shade, fontsize=8)
    return mesh
