"""The figure of the map of what Dot explains."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from morse.report.style import STYLE


def residual_heatmap(
    explained: np.ndarray, t_edges: Sequence[float], gap_edges: Sequence[float], title: str | None = None
) -> Figure:
    """How much of Dash's change Dot explains, by timestep and gap.

    The value is ``1 - |eps_s + Dot - eps_t|^2 / |eps_s - eps_t|^2``. 1 is a perfect Dot, 0 is no
    better than Dash's last estimate, and below 0 is worse. Colours stop at -1 and 1, the numbers do
    not.

    Args:
        explained: (n_t, n_gap), a value for the pairs in each bin; NaN for bins without pairs,
            which stay blank.
        t_edges: (n_t + 1,) edges of t_s, the timestep of Dash's estimate.
        gap_edges: (n_gap + 1,) edges of t_s - t, the gap from there to Dot's estimate, in
            timesteps.
        title: heading of the figure.
    """
    rows, columns = explained.shape
    if len(t_edges) != rows + 1 or len(gap_edges) != columns + 1:
        raise ValueError(
            f"{rows} x {columns} cells need {rows + 1} and {columns + 1} edges, not {len(t_edges)} and {len(gap_edges)}"
        )
    with matplotlib.rc_context({**STYLE, "axes.grid": False}):
        figure = Figure(figsize=(max(0.62 * columns + 2.0, 4.5), max(0.42 * rows + 1.2, 2.8)), layout="constrained")
        axes = figure.add_subplot()
        # All cells have one size, whatever the widths of their bins, so that the numbers fit.
        mesh = axes.pcolormesh(
            np.ma.masked_invalid(explained), cmap="PuOr", vmin=-1.0, vmax=1.0, edgecolors="white", linewidth=0.5
        )
        for row, column in np.argwhere(np.isfinite(explained)):
            value = explained[row, column]
            shade = "white" if abs(value) > 0.6 else "black"
            axes.text(
                column + 0.5,
                row + 0.5,
                f"{value:.2f}".replace("-", "−"),
                ha="center",
                va="center",
                color=shade,
                fontsize=8,
            )
        axes.set_xticks(range(columns + 1), [f"{edge:g}" for edge in gap_edges])
        axes.set_yticks(range(rows + 1), [f"{edge:g}" for edge in t_edges])
        axes.set_xlabel("gap to Dot's estimate, $t_s - t$ (timesteps)", parse_math=True)
        axes.set_ylabel("time of Dash's estimate, $t_s$", parse_math=True)
        figure.colorbar(mesh, label="explained residual", extend="min")
        if title:
            axes.set_title(title)
    return figure
