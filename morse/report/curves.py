"""Tables in, figures out: one style, Okabe and Ito's colours that the colour-blind can tell apart, no global state of pyplot."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from morse.files import write_atomically
from morse.results.runs import CURVE, average_seeds
from morse.results.speedup import BEFORE_SATURATION, speedup_summary

STYLE = {"font.size": 9, "axes.titlesize": 9, "axes.grid": True, "grid.color": "0.9", "axes.axisbelow": True, "legend.frameon": False}
METHODS = {
    "baseline": {"color": "#0072B2", "marker": "o", "linestyle": "--"},
    "morse": {"color": "#D55E00", "marker": "s", "linestyle": "-"},
}
CLOCKS = {
    "lsd": {"suffix": "", "label": "time budget (LSD: latencies of a Dash step)", "name": "LSD", "color": "#009E73", "shift": 0.97},
    "seconds_per_image": {
        "suffix": "_wall", "label": "wall-clock per image (s)", "name": "wall-clock", "color": "#CC79A7", "shift": 1.03,
    },
}  # fmt: skip
TICK_STEPS = ((1, 1.5, 2, 3, 4, 5, 6, 8), (1, 2, 3, 5), (1, 2, 5), (1, 3), (1,))
"""Ticks in a decade of a logarithmic axis, from fine to coarse."""
MAX_TICKS = 7
Z95 = 1.96
FORMATS = {".png": {}, ".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
"""Suffix of a figure's file -> metadata that keep the date out of it."""


def _plain_log_ticks(axes: Axes, which: str) -> None:
    """Makes the axis "x" or "y" logarithmic, with few ticks written as plain numbers: 3, 5, 10, not powers of ten."""
    axis, (low, high) = (axes.xaxis, axes.get_xlim()) if which == "x" else (axes.yaxis, axes.get_ylim())
    decades = 10.0 ** np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    for steps in TICK_STEPS:
        ticks = [tick for decade in decades for tick in np.multiply(decade, steps) if low <= tick <= high]
        if len(ticks) <= MAX_TICKS:
            break
    if len(ticks) < 3:  # less than a third of a decade
        ticks = [tick for tick in MaxNLocator(5).tick_values(low, high) if low <= tick <= high]
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_major_formatter(FuncFormatter(lambda value, _: np.format_float_positional(value, 4, fractional=False, trim="-")))
    axis.set_minor_locator(NullLocator())


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

    Each panel states its geometric-mean speedup at equal quality on that clock (:func:`morse.results.speedup.speedup_summary`).

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
                _plain_log_ticks(axes, which)
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
                _plain_log_ticks(axes, which)
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
    return figure


def image_grid(rows: Sequence[tuple[str, np.ndarray]], title: str | None = None) -> Figure:
    """Rows of images, each with its caption to the left; column i of all rows has the same starting noise.

    Args:
        rows: (caption, images), images uint8 (n, C, H, W), C 1 (grey) or 3 (RGB), the same shape in all rows.
        title: heading of the figure.

    Raises:
        ValueError: if the images are not such arrays.
    """
    shapes = {images.shape for _, images in rows}
    if len(shapes) != 1 or any(images.dtype != np.uint8 or images.ndim != 4 or images.shape[1] not in (1, 3) for _, images in rows):
        raise ValueError(f"rows of images must be uint8 (n, 1 or 3, H, W) of one shape, not {sorted(shapes)}")
    count, _, height, width = shapes.pop()
    size = min(1.0, 9.0 / count)  # of an image's width, like all that follows in inches
    gap, head = 0.05, 0.35 if title else 0.05
    left = 0.15 + 0.075 * max(len(line) for caption, _ in rows for line in caption.splitlines())
    tall = size * height / width
    page_width, page_height = left + count * (size + gap), head + len(rows) * (tall + gap)
    with matplotlib.rc_context({**STYLE, "axes.grid": False}):
        figure = Figure(figsize=(page_width, page_height))
        if title:
            figure.text(0.5, 1 - 0.5 * head / page_height, title, fontsize=11, ha="center", va="center")
        for index, (caption, images) in enumerate(rows):
            top = page_height - head - index * (tall + gap)
            figure.text((left - 0.1) / page_width, (top - 0.5 * tall) / page_height, caption, ha="right", va="center")
            for column, image in enumerate(np.broadcast_to(images, (count, 3, height, width))):
                x = left + column * (size + gap)
                axes = figure.add_axes((x / page_width, (top - tall) / page_height, size / page_width, tall / page_height))
                axes.imshow(image.transpose(1, 2, 0), interpolation="nearest", aspect="auto")  # (H, W, C)
                axes.set_axis_off()
    return figure


def residual_heatmap(explained: np.ndarray, t_edges: Sequence[float], gap_edges: Sequence[float], title: str | None = None) -> Figure:
    """How much of Dash's change Dot explains: ``1 - |eps_s + Dot - eps_t|^2 / |eps_s - eps_t|^2``, by time and gap.

    1 is a perfect Dot, 0 no better than Dash's last estimate, below 0 worse. Colours stop at -1 and 1, the numbers do not.

    Args:
        explained: (n_t, n_gap), mean over the pairs in each bin; NaN where there are none, which stays blank.
        t_edges: (n_t + 1,) edges of t_s, the time of Dash's estimate, as labels of the schedule.
        gap_edges: (n_gap + 1,) edges of t_s - t, on from there to Dot's estimate, in the same unit.
        title: heading of the figure.
    """
    rows, columns = explained.shape
    if len(t_edges) != rows + 1 or len(gap_edges) != columns + 1:
        raise ValueError(f"{rows} x {columns} cells need {rows + 1} and {columns + 1} edges, not {len(t_edges)} and {len(gap_edges)}")
    with matplotlib.rc_context({**STYLE, "axes.grid": False}):
        figure = Figure(figsize=(max(0.62 * columns + 2.0, 4.5), max(0.42 * rows + 1.2, 2.8)), layout="constrained")
        axes = figure.add_subplot()
        # Cells of one size whatever their bins' widths, so that the numbers fit.
        mesh = axes.pcolormesh(np.ma.masked_invalid(explained), cmap="PuOr", vmin=-1.0, vmax=1.0, edgecolors="white", linewidth=0.5)
        for row, column in np.argwhere(np.isfinite(explained)):
            value = explained[row, column]
            shade = "white" if abs(value) > 0.6 else "black"
            axes.text(column + 0.5, row + 0.5, f"{value:.2f}".replace("-", "−"), ha="center", va="center", color=shade, fontsize=8)
        axes.set_xticks(range(columns + 1), [f"{edge:g}" for edge in gap_edges])
        axes.set_yticks(range(rows + 1), [f"{edge:g}" for edge in t_edges])
        axes.set_xlabel("gap to Dot's estimate, $t_s - t$ (labels)")
        axes.set_ylabel("time of Dash's estimate, $t_s$")
        figure.colorbar(mesh, label="explained residual", extend="min")
        if title:
            axes.set_title(title)
    return figure


def formats(path: Path | str) -> list[Path]:
    """A figure's path as PNG, SVG and PDF."""
    return [Path(path).with_suffix(suffix) for suffix in FORMATS]


def save(figure: Figure, paths: Iterable[Path | str]) -> None:
    """Writes the figure to each path in the format of its suffix (png of 150 dpi, svg, pdf): whole or absent, the same bytes each time."""
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": "morse"}):
        for path in map(Path, paths):
            kind = path.suffix
            if kind not in FORMATS:
                raise ValueError(f"{path}: figures are saved as {', '.join(FORMATS)}")
            write_atomically(lambda to, kind=kind: figure.savefig(to, format=kind[1:], dpi=150, metadata=FORMATS[kind]), path)
