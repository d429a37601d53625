"""Tables in, figures out: one style, Okabe and Ito's colours that the colour-blind can tell apart, no global state of pyplot."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from morse.report.style import METHODS, STYLE, Z95, plain_log_ticks
from morse.results.runs import CURVE, average_seeds
from morse.results.summary import BEFORE_SATURATION, speedup_summary

CLOCKS = {
    "lsd": {"suffix": "", "label": "time budget (LSD: latencies of a Dash step)", "name": "LSD", "color": "#009E73", "shift": 0.97},
    "seconds_per_image": {
        "suffix": "_wall", "label": "wall-clock per image (s)", "name": "wall-clock", "color": "#CC79A7", "shift": 1.03,
    },
}  # fmt: skip


def _panels(curves: Sequence[tuple], title: str | None) -> tuple[Figure, list[Axes]]:
    """A figure with a log-log panel for each (model, task, sampler, scale), up to three beside each other, headed with these."""
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
    """The panel's mean in words, with what it leaves out; where the baseline is flat at its end, without that end too."""
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


def quality_curves(runs: pd.DataFrame, speedups: pd.DataFrame, clock: str = "lsd", title: str | None = None) -> Figure:
    """Quality against cost, log-log: a panel for each (model, task, sampler), baseline and Morse with 95 % intervals.

    Each panel states its geometric-mean speedup at equal quality on that clock (:func:`morse.results.summary.speedup_summary`).

    Args:
        runs: the table of :func:`morse.results.runs.runs_table`.
        speedups: the table of :func:`morse.results.speedup.speedup_table` of these runs.
        clock: the cost, "lsd" or "seconds_per_image".
        title: heading of the figure.
    """
    suffix = CLOCKS[clock]["suffix"]
    summaries = speedup_summary(speedups)
    groups = list(average_seeds(runs).groupby([*CURVE, "scale"]))
    with matplotlib.rc_context(STYLE):
        figure, panels = _panels([key for key, _ in groups], title)
        for axes, (key, points) in zip(panels, groups, strict=True):
            for method, style in METHODS.items():
                curve = points[points["method"] == method].sort_values(clock)
                # An interval that is symmetric in log quality, as the speedup's draws are.
                factor = np.exp(Z95 * curve["quality_se"] / curve["quality"])
                error = [curve["quality"] * (1 - 1 / factor), curve["quality"] * (factor - 1)]
                label = {"baseline": "baseline (Dash only)", "morse": "Morse (Dash + Dot)"}[method]
                axes.errorbar(curve[clock], curve["quality"], error, label=label, markersize=4, linewidth=1.2, capsize=2, **style)
            axes.set_xlabel(CLOCKS[clock]["label"])
            axes.set_ylabel(points["metric"].iloc[0])
            low, high = np.log(axes.get_ylim())
            axes.set_ylim(top=np.exp(high + 0.28 * (high - low)))  # room for the text above the curves
            for which in "xy":
                plain_log_ticks(axes, which)
            mean = summaries[(summaries[CURVE] == list(key[:3])).all(axis=1)] if len(summaries) else summaries
            if len(mean):
                text = axes.text(0.97, 0.96, _speedup_text(mean, suffix), transform=axes.transAxes, ha="right", va="top")
                text.set_bbox({"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1})
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def speedup_against_budget(speedups: pd.DataFrame, title: str | None = None) -> Figure:
    """Speedup at equal quality against Morse's budget, with 95 % intervals: a panel for each (model, task, sampler).

    Both clocks in each panel, and what a perfect Dot would reach with these plans.
    A triangle is a bound: upward where the true speedup is larger, downward where it is smaller.

    Args:
        speedups: the table of :func:`morse.results.speedup.speedup_table`.
        title: heading of the figure.
    """
    groups = list(speedups.groupby([*CURVE, "scale"]))
    with matplotlib.rc_context(STYLE):
        figure, panels = _panels([key for key, _ in groups], title)
        for axes, (_, points) in zip(panels, groups, strict=True):
            for level, style in ((1.0, "-"), (1.5, ":")):
                axes.axhline(level, color="0.4", linewidth=1, linestyle=style)
            axes.plot(points["budget"], points["ceiling"], color="0.4", linewidth=1, linestyle="-.", label="perfect Dot")
            for clock in CLOCKS.values():
                suffix = clock["suffix"]
                known = points[points[f"speedup{suffix}"].notna()]
                budget = known["budget"] * clock["shift"]
                axes.vlines(budget, known[f"speedup{suffix}_low"], known[f"speedup{suffix}_high"], color=clock["color"], linewidth=1.2)
                bounds = known[f"censored{suffix}"]
                measured = ~bounds.isin(["above", "below"])
                # A line to a bound would read as a fall.
                axes.plot(budget, known[f"speedup{suffix}"].where(measured), color=clock["color"], linewidth=0.8, alpha=0.6)
                for marker, chosen in (("o", measured), ("^", bounds == "above"), ("v", bounds == "below")):
                    axes.plot(budget[chosen], known.loc[chosen, f"speedup{suffix}"], marker, color=clock["color"], markersize=5)
                axes.plot([], [], "-o", color=clock["color"], markersize=5, label=clock["name"])
            axes.plot([], [], "^", color="0.4", markersize=5, label="at least")
            axes.plot([], [], "v", color="0.4", markersize=5, label="at most")
            axes.set_xlabel("nominal time budget of Morse (LSD)")
            axes.set_ylabel("speedup at equal quality (×)")
            for which in "xy":
                plain_log_ticks(axes, which)
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
    return figure
