"""The plane of quality and CLIP score: how a guidance scale trades one for the other."""

from __future__ import annotations

import matplotlib
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from morse.experiments.axes import BEST
from morse.methods import METHODS
from morse.report.style import STYLE, plain_log_ticks
from morse.results.best_guidance import clip_column

COLOURS = colormaps["viridis"]


def fid_clip(runs: pd.DataFrame, model: str, task: str, sampler: str) -> Figure:
    """Quality against CLIP score, with a line for each method and budget over its guidance scales.

    Lower and further right is better. Qualities and scores are means over seeds. The least and the
    largest scale of each line are written beside their points. A line's colour is its budget.

    Args:
        runs: of runs.csv (:mod:`morse.results.runs`).

    Raises:
        ValueError: one line, if no run of this curve has a CLIP score.
    """
    where = (runs["model"] == model) & (runs["task"] == task) & (runs["sampler"] == sampler)
    own, column = runs[where & (runs["guidance"] != BEST)], clip_column(runs)
    own = own[own[column].notna()] if column else own.iloc[:0]
    if own.empty:
        raise ValueError(f"no run of {model} {task} {sampler} has a CLIP score; add clip_score to quality: metrics")
    means = own.groupby(["method", "budget", "guidance"], as_index=False)[["quality", column]].mean()
    means["number"] = means["guidance"].astype(float)
    budgets = sorted(means["budget"].unique())
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(6.4, 4.6), layout="constrained")
        axes = figure.add_subplot(yscale="log")
        for (method, budget), line in means.sort_values("number").groupby(["method", "budget"]):
            place = budgets.index(budget) / max(1, len(budgets) - 1)
            _draw(axes, line, column, method, COLOURS(0.85 * place), f"{METHODS[method].caption}, {budget} LSD")
        axes.set_title(f"{model} on {task}, {sampler}: guidance scales")
        axes.set_xlabel("CLIP score")
        axes.set_ylabel(own["metric"].iloc[0])
        plain_log_ticks(axes, "y")
        figure.legend(loc="outside lower center", ncols=2)
    return figure


def _draw(axes: Axes, line: pd.DataFrame, column: str, method: str, colour: tuple, label: str) -> None:
    look = METHODS[method]
    axes.plot(
        line[column], line["quality"], color=colour, marker=look.marker, linestyle=look.line, markersize=4, label=label
    )
    for _, point in line.iloc[[0, -1]].iterrows():
        place = (point[column], point["quality"])
        axes.annotate(point["guidance"], place, xytext=(4, 3), textcoords="offset points", fontsize=7, color=colour)
