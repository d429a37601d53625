"""What figures of curves share: panels with their legend, a curve of each method, and the speedups
in words.

Colours are Okabe and Ito's, which the colour-blind can tell apart. No global state of pyplot is
used.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from morse.methods import METHODS, Method
from morse.report.style import Z95, plain_log_ticks
from morse.results.summary import BEFORE_SATURATION

LOOK = {
    "lsd": {"label": "time budget (LSD: latencies of a Dash step)", "name": "LSD", "color": "#009E73", "shift": 0.97},
    "seconds_per_image": {"label": "wall-clock per image (s)", "name": "wall-clock", "color": "#CC79A7", "shift": 1.03},
}
"""Clock of :data:`morse.results.runs.CLOCKS` -> its look. Shifts keep intervals at one budget
apart."""


def panel_grid(titles: Sequence[str], heading: str | None) -> tuple[Figure, list[Axes]]:
    """A figure with a log-log panel for each title, up to three beside each other.

    It is to be called, and drawn on, within :data:`morse.report.style.STYLE`.

    Raises:
        ValueError: for no titles.
    """
    if not titles:
        raise ValueError("the table holds no points to draw")
    columns = min(3, len(titles))
    rows = -(-len(titles) // columns)
    figure = Figure(figsize=(4.1 * columns + 0.4, 3.4 * rows + (0.6 if heading else 0.3)), layout="constrained")
    if heading:
        figure.suptitle(heading, fontsize=11)
    panels = [figure.add_subplot(rows, columns, index + 1, xscale="log", yscale="log") for index in range(len(titles))]
    for axes, title in zip(panels, titles, strict=True):
        axes.set_title(title)
    return figure, panels


def shared_legend(figure: Figure, panels: Sequence[Axes], columns: int) -> None:
    """One legend below all panels, each label once; none if nothing has a label."""
    handles = {}
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    if handles:
        figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=min(columns, len(handles)))


def draw_quality(axes: Axes, points: pd.DataFrame, clock: str, text: str = "") -> None:
    """One panel: quality against cost, a curve for each method, with 95 % intervals.

    Args:
        points: of one (model, task, sampler), as :func:`morse.results.runs.average_seeds` gives
            them.
        clock: the cost, a name of :data:`morse.results.runs.CLOCKS`.
        text: what the panel says, in its upper right corner.
    """
    for name, method in METHODS.items():
        curve = points[points["method"] == name]
        if len(curve):
            _draw_curve(axes, curve.sort_values(clock), clock, method)
    axes.set_xlabel(LOOK[clock]["label"])
    axes.set_ylabel(points["metric"].iloc[0])
    room = max(0.22, 0.06 * len(text.splitlines()) + 0.04)  # of the panel's height, above the curves
    low, high = np.log(axes.get_ylim())
    axes.set_ylim(top=np.exp(high + room / (1 - room) * (high - low)))
    for which in "xy":
        plain_log_ticks(axes, which)
    if text:
        shown = axes.text(0.97, 0.96, text, transform=axes.transAxes, ha="right", va="top")
        shown.set_bbox({"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1})


def _draw_curve(axes: Axes, curve: pd.DataFrame, clock: str, method: Method) -> None:
    """One method's points. Intervals are symmetric in log quality, as the speedup's draws are."""
    factor = np.exp(Z95 * curve["quality_se"] / curve["quality"])
    error = [curve["quality"] * (1 - 1 / factor), curve["quality"] * (factor - 1)]
    look = {"color": method.colour, "marker": method.marker, "linestyle": method.line}
    axes.errorbar(
        curve[clock], curve["quality"], error, label=method.caption, markersize=4, linewidth=1.2, capsize=2, **look
    )


def method_text(summaries: pd.DataFrame, suffix: str) -> str:
    """The mean speedup of each method in words, with its name if there are several.

    Args:
        summaries: rows of one (model, task, sampler) of
            :func:`morse.results.summary.speedup_summary`.
        suffix: of the clock's columns, a value of :data:`morse.results.runs.CLOCKS`.
    """
    methods = [(name, rows) for name, rows in summaries.groupby("method", sort=False)]
    parts = [
        (f"{METHODS[name].caption}: " if len(methods) > 1 else "") + _speedup_text(rows, suffix)
        for name, rows in methods
    ]
    return "\n".join(parts)


def _speedup_text(summaries: pd.DataFrame, suffix: str) -> str:
    """The mean speedup, and how many points it leaves out.

    If the baseline's curve is flat at its end, also the mean without that end.
    """
    everything, falling = (summaries[summaries["band"] == band].iloc[0] for band in ("all", BEFORE_SATURATION))
    points, excluded = everything[f"points{suffix}"], everything[f"excluded{suffix}"]
    if not points:
        return "no speedup: the curves do not overlap"
    left_out = f", {excluded} excluded" if excluded else ""
    text = f"speedup {mean_text(everything, 'geometric', suffix)}\n(geometric mean, {points} points{left_out})"
    if 0 < falling[f"points{suffix}"] < points:
        mean = mean_text(falling, "geometric", suffix)
        text += f"\n{mean} ({falling[f'points{suffix}']} points) where the baseline still falls"
    return text


def mean_text(summary: pd.Series, mean: str, suffix: str) -> str:
    """The "geometric" or "arithmetic" mean of a summary's row, marked if it is a lower bound."""
    return f"{'≥ ' if summary[f'lower_bound{suffix}'] else ''}{summary[f'{mean}_mean{suffix}']:.2f}×"
