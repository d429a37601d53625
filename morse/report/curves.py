"""Figures of the tables: curves of quality against cost, and speedups against budget.

What they share with other figures is in :mod:`morse.report.panels`.
"""

from __future__ import annotations

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from morse.experiments.axes import UNGUIDED
from morse.methods import METHODS
from morse.report.panels import LOOK, draw_quality, method_text, panel_grid, shared_legend
from morse.report.style import STYLE, plain_log_ticks
from morse.results.runs import CLOCKS, CURVE, average_seeds
from morse.results.summary import speedup_summary


def quality_curves(runs: pd.DataFrame, speedups: pd.DataFrame, clock: str = "lsd", title: str | None = None) -> Figure:
    """Quality against cost, log-log, with 95 % intervals.

    There is a panel for each (model, task, sampler, guidance), and in it a curve for each method.
    Each panel states the geometric-mean speedups at equal quality on that clock
    (:func:`morse.results.summary.speedup_summary`).

    Args:
        runs: the table of :func:`morse.results.runs.runs_table`.
        speedups: the table of :func:`morse.results.speedup.speedup_table` of these runs.
        clock: the cost, a name of :data:`morse.results.runs.CLOCKS`.
        title: heading of the figure.
    """
    summaries = speedup_summary(speedups)
    groups = list(average_seeds(runs).groupby([*CURVE, "scale"]))
    with matplotlib.rc_context(STYLE):
        figure, panels = panel_grid([_title(*key) for key, _ in groups], title)
        for axes, (key, points) in zip(panels, groups, strict=True):
            means = (
                summaries[(summaries[CURVE] == list(key[: len(CURVE)])).all(axis=1)] if len(summaries) else summaries
            )
            draw_quality(axes, points, clock, method_text(means, CLOCKS[clock]))
        shared_legend(figure, panels, columns=3)
    return figure


def _title(model: str, task: str, sampler: str, guidance: str, scale: str) -> str:
    guided = "" if guidance == UNGUIDED else f", guidance {guidance}"
    return f"{sampler}{guided}\n{model} on {task}, {scale} scale"


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
        figure, panels = panel_grid([_title(*key[: len(CURVE) + 1]) for key, _ in groups], title)
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
        shared_legend(figure, panels, columns=5)
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
