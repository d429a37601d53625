"""Figures of the tables: curves of quality against cost, and speedups against budget.

They have one style, with Okabe and Ito's colours, which the colour-blind can tell apart. No global
state of pyplot is used.
"""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from morse.methods import METHODS, Method
from morse.report.style import STYLE, Z95, plain_log_ticks
from morse.results.runs import CLOCKS, CURVE, average_seeds
from morse.results.summary import BEFORE_SATURATION, speedup_summary

LOOK = {
    "lsd": {"label": "time budget (LSD: latencies of a Dash step)", "name": "LSD", "color": "#009E73", "shift": 0.97},
    "seconds_per_image": {"label": "wall-clock per image (s)", "name": "wall-clock", "color": "#CC79A7", "shift": 1.03},
}
"""Clock of :data:`morse.results.runs.CLOCKS` -> its look. Shifts keep intervals at one budget
apart."""


def _panels(curves: Sequence[tuple], title: str | None) -> tuple[Figure, list[Axes]]:
    """A figure with a log-log panel for each (model, task, sampler, scale), named in its heading.

    Up to three panels are beside each other.
    """
    if not curves:
        raise ValueError("the table holds no points to draw")
    columns = min(3, len(curves))
    rows = -(-len(curves) // columns)
    figure = Figure(figsize=(4.1 * columns + 0.4, 3.4 * rows + (0.6 if title else 0.3)), layout="constrained")
    if title:
        figure.suptitle(title, fontsize=11)
    panels = [figure.add_subplot(rows, columns, index + 1, xscale="log", yscale="log") for index in range(len(curves))]
    for axes, (model, task, sampler, scale) in zip(panels, curves, strict=True):
        axes.set_title(f"{sampler}\n{model} on {task}, {scale} scale")
    return figure, panels


def _speedup_text(summaries: pd.DataFrame, suffix: str) -> str:
    """The text of a panel: the mean speedup, and how many points it leaves out.

    If the baseline's curve is flat at its end, also the mean without that end.
    """
    everything, falling = (summaries[summaries["band"] == band].iloc[0] for band in ("all", BEFORE_SATURATION))
    points, excluded = everything[f"points{suffix}"], everything[f"excluded{suffix}"]
    if not points:
        return "no speedup: the curves do not overlap"
    left_out = f", {excluded} excluded" if excluded else ""
    text = f"speedup {_mean(everything, suffix)}\n(geometric mean, {points} points{left_out})"
    if 0 < falling[f"points{suffix}"] < points:
        text += f"\n{_mean(falling, suffix)} ({falling[f'points{suffix}']} points) where the baseline still falls"
    return text


def _mean(summary: pd.Series, suffix: str) -> str:
    return f"{'≥ ' if summary[f'lower_bound{suffix}'] else ''}{summary[f'geometric_mean{suffix}']:.2f}×"


def _method_text(summaries: pd.DataFrame, suffix: str) -> str:
    """A panel's text: the mean of each method, with its name if there are several."""
    methods = [(name, rows) for name, rows in summaries.groupby("method", sort=False)]
    parts = [
        (f"{METHODS[name].caption}: " if len(methods) > 1 else "") + _speedup_text(rows, suffix)
        for name, rows in methods
    ]
    return "\n".join(parts)


def quality_curves(runs: pd.DataFrame, speedups: pd.DataFrame, clock: str = "lsd", title: str | None = None) -> Figure:
    """Quality against cost, log-log, with 95 % intervals.

    There is a panel for each (model, task, sampler), and in it a curve for each method. Each panel
    states the geometric-mean speedups at equal quality on that clock
    (:func:`morse.results.summary.speedup_summary`).

    Args:
        runs: the table of :func:`morse.results.runs.runs_table`.
        speedups: the table of :func:`morse.results.speedup.speedup_table` of these runs.
        clock: the cost, a name of :data:`morse.results.runs.CLOCKS`.
        title: heading of the figure.
    """
    summaries = speedup_summary(speedups)
    groups = list(average_seeds(runs).groupby([*CURVE, "scale"]))
    present = {*runs["method"]}
    with matplotlib.rc_context(STYLE):
        figure, panels = _panels([key for key, _ in groups], title)
        for axes, (key, points) in zip(panels, groups, strict=True):
            for name, method in METHODS.items():
                if name in present:
                    _draw_curve(axes, points[points["method"] == name].sort_values(clock), clock, method)
            axes.set_xlabel(LOOK[clock]["label"])
            axes.set_ylabel(points["metric"].iloc[0])
            low, high = np.log(axes.get_ylim())
            axes.set_ylim(top=np.exp(high + 0.28 * (high - low)))  # room for the text above the curves
            for which in "xy":
                plain_log_ticks(axes, which)
            means = summaries[(summaries[CURVE] == list(key[:3])).all(axis=1)] if len(summaries) else summaries
            if len(means):
                text = axes.text(
                    0.97, 0.96, _method_text(means, CLOCKS[clock]), transform=axes.transAxes, ha="right", va="top"
                )
                text.set_bbox({"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1})
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=min(3, len(present)))
    return figure


def _draw_curve(axes: Axes, curve: pd.DataFrame, clock: str, method: Method) -> None:
    """One method's points. Intervals are symmetric in log quality, as the speedup's draws are."""
    factor = np.exp(Z95 * curve["quality_se"] / curve["quality"])
    error = [curve["quality"] * (1 - 1 / factor), curve["quality"] * (factor - 1)]
    look = {"color": method.colour, "marker": method.marker, "linestyle": method.line}
    axes.errorbar(
        curve[clock], curve["quality"], error, label=method.caption, markersize=4, linewidth=1.2, capsize=2, **look
    )


def speedup_against_budget(speedups: pd.DataFrame, title: str | None = None) -> Figure:
    """Speedup at equal quality against budget, with 95 % intervals.

    There is a panel for each (model, task, sampler, method). It has both clocks, and what a perfect
    estimate at every call would reach with these plans. A triangle is a bound: upward if the true
    speedup is larger, downward if it is smaller.

    Args:
        speedups: the table of :func:`morse.results.speedup.speedup_table`.
        title: heading of the figure. A figure without speedups says so.
    """
    if speedups.empty:
        return _without_speedups(title)
    groups = list(speedups.groupby([*CURVE, "scale", "method"]))
    several = speedups["method"].nunique() > 1
    with matplotlib.rc_context(STYLE):
        figure, panels = _panels([key[:4] for key, _ in groups], title)
        for axes, ((*_, name), points) in zip(panels, groups, strict=True):
            if several:
                axes.set_title(f"{METHODS[name].caption}\n{axes.get_title()}")
            for level, style in ((1.0, "-"), (1.5, ":")):
                axes.axhline(level, color="0.4", linewidth=1, linestyle=style)
            axes.plot(
                points["budget"], points["ceiling"], color="0.4", linewidth=1, linestyle="-.", label="perfect estimates"
            )
            for clock, suffix in CLOCKS.items():
                _draw_speedups(axes, points[points[f"speedup{suffix}"].notna()], suffix, LOOK[clock])
            axes.plot([], [], "^", color="0.4", markersize=5, label="at least")
            axes.plot([], [], "v", color="0.4", markersize=5, label="at most")
            axes.set_xlabel("nominal time budget (LSD)")
            axes.set_ylabel("speedup at equal quality (×)")
            for which in "xy":
                plain_log_ticks(axes, which)
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
    return figure


def _without_speedups(title: str | None) -> Figure:
    """What stands in the place of the figure if no curve has both a baseline and another method."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(4.5, 1.6), layout="constrained")
        if title:
            figure.suptitle(title, fontsize=11)
        figure.text(0.5, 0.4, "no speedups: no curve has runs by the\nbaseline and by another method", ha="center")
    return figure


def _draw_speedups(axes: Axes, points: pd.DataFrame, suffix: str, look: dict) -> None:
    """One clock's speedups: a line through the measured ones, and bounds as triangles.

    A line to a bound would read as a fall.
    """
    budget, bounds = points["budget"] * look["shift"], points[f"censored{suffix}"]
    axes.vlines(
        budget, points[f"speedup{suffix}_low"], points[f"speedup{suffix}_high"], color=look["color"], linewidth=1.2
    )
    measured = ~bounds.isin(["above", "below"])
    axes.plot(budget, points[f"speedup{suffix}"].where(measured), color=look["color"], linewidth=0.8, alpha=0.6)
    for marker, chosen in (("o", measured), ("^", bounds == "above"), ("v", bounds == "below")):
        axes.plot(budget[chosen], points.loc[chosen, f"speedup{suffix}"], marker, color=look["color"], markersize=5)
    axes.plot([], [], "-o", color=look["color"], markersize=5, label=look["name"])
