"""The figure of best against best: quality against LSD, whatever the sampler."""

from __future__ import annotations

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from morse.methods import BASELINE, METHODS, MORSE
from morse.report.panels import draw_quality, panel_grid, shared_legend
from morse.report.style import STYLE
from morse.results.envelope import best_points

ABOVE, BELOW = (0, 7), (0, -7)
"""Where the name of a sampler stands, in points from its marker: the baseline's above, Morse's
below, as Morse's quality is as a rule the lower one."""

ROOM = 0.22, 0.15
"""Margins of a panel, across and up, as fractions of the span of its points: names need them."""


def best_curves(runs: pd.DataFrame, title: str | None = None) -> Figure:
    """The best quality of any sampler against LSD, log-log, with 95 % intervals.

    There is a panel for each (model, task). It has two curves: the best method that is not Morse,
    and the best Morse (:func:`morse.results.envelope.best_points`). At each point is the name of
    its sampler, and that of the method if it is a rival.

    Args:
        runs: the table of :func:`morse.results.runs.runs_table`.
        title: heading of the figure.
    """
    groups = list(best_points(runs).groupby(["model", "task", "scale"]))
    with matplotlib.rc_context(STYLE):
        figure, panels = panel_grid([f"{model} on {task}, {scale} scale" for (model, task, scale), _ in groups], title)
        for axes, (_, points) in zip(panels, groups, strict=True):
            axes.margins(*ROOM)
            draw_quality(axes, points.assign(method=points["side"]), "lsd")
            for point in points.itertuples():
                _name(axes, point)
        shared_legend(figure, panels, columns=2)
    return figure


def _name(axes: Axes, point: tuple) -> None:
    rival = point.method not in (BASELINE, MORSE)
    text = f"{point.sampler}, {METHODS[point.method].caption}" if rival else point.sampler
    below = point.side == MORSE
    axes.annotate(
        text,
        (point.lsd, point.quality),
        BELOW if below else ABOVE,
        textcoords="offset points",
        fontsize=6,
        rotation=30,
        color=METHODS[point.side].colour,
        ha="right" if below else "left",
        va="top" if below else "bottom",
    )
