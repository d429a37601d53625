"""The paper's figures at one scale: a panel for each cell of config/paper_figures.yaml.

A panel whose cell was not run is an empty frame that says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from morse.methods import METHODS
from morse.registry import unknown
from morse.report.panels import draw_quality, mean_text, method_text, panel_grid, shared_legend
from morse.report.paper_text import paper_text
from morse.report.style import STYLE, plain_log_ticks
from morse.results.claims import MINI, PAPER
from morse.results.paper_layout import RUN, SCALES, in_budgets, in_cell, state_of
from morse.results.paper_speedups import paper_claim
from morse.results.runs import average_seeds
from morse.results.summary import speedup_summary

WORDS = {PAPER: "at the paper's scale", MINI: "in miniature (mini scale: small twins on small data, not the paper's)"}
"""Scale -> what a heading says of it."""


def paper_figure(
    layout: Mapping[str, Any],
    name: str,
    scale: str,
    runs: pd.DataFrame,
    speedups: pd.DataFrame,
    claims: Sequence[Mapping[str, Any]],
) -> Figure:
    """One of the paper's figures, with the runs of one scale.

    Each panel has quality against LSD, log-log, with 95 % intervals, and a curve for each method
    that was run. It states our mean speedups, and the paper's beside our arithmetic mean, which is
    the paper's kind. In a figure of twins the paper's number has the name of its model.

    Args:
        layout: of :func:`morse.results.paper_layout.read_layout`.
        name: the figure, a key of the layout's ``figures``.
        scale: "paper" or "mini".
        runs, speedups: the tables of :mod:`morse.results.runs` and :mod:`morse.results.speedup`.
        claims: of :func:`morse.results.claims.read_claims`.

    Raises:
        ValueError: one line, for an unknown figure or scale.
    """
    for kind, value, known in (("figure", name, layout["figures"]), ("scale", scale, SCALES)):
        if value not in known:
            raise ValueError(unknown(kind, value, known))
    figure = layout["figures"][name]
    runs, summary = runs[in_budgets(runs, layout)], speedup_summary(speedups[in_budgets(speedups, layout)])
    panels = figure["panels"]
    with matplotlib.rc_context(STYLE):
        drawn, frames = panel_grid(
            [_title(panel, scale, runs) for panel in panels], f"{figure['title']}, {WORDS[scale]}"
        )
        for axes, panel in zip(frames, panels, strict=True):
            if (state := state_of(panel, scale, runs)) != RUN:
                _empty(axes, state)
                continue
            means = in_cell(summary, panel, scale)
            draw_quality(axes, average_seeds(in_cell(runs, panel, scale)), "lsd", _text(means, panel, scale, claims))
        _one_range([axes for axes in frames if axes.lines], layout["budgets"])
        shared_legend(drawn, frames, columns=3)
    return drawn


def _title(panel: Mapping[str, Any], scale: str, runs: pd.DataFrame) -> str:
    """A panel's title: the paper's name of it, and our cell with its number of images."""
    if scale not in panel:
        return panel["title"]
    found = in_cell(runs, panel, scale)
    images = "" if found.empty else f", {found['images'].iloc[0]:,} images"
    return f"{panel['title']}\n{panel[scale]['model']} on {panel[scale]['task']}{images}"


def _empty(axes: Axes, state: str) -> None:
    """An empty frame that says why it is empty."""
    axes.grid(False)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks([], minor=False)
        axis.set_ticks([], minor=True)
    axes.text(0.5, 0.5, state, transform=axes.transAxes, ha="center", va="center", fontsize=11, color="0.4")


def _one_range(frames: Sequence[Axes], budgets: Mapping[str, int]) -> None:
    """Gives all panels one range of costs: that of the budgets, or more where measured costs do."""
    limits = [axes.get_xlim() for axes in frames] + [(budgets["first"] / 1.15, budgets["last"] * 1.15)]
    for axes in frames:
        axes.set_xlim(min(low for low, _ in limits), max(high for _, high in limits))
        plain_log_ticks(axes, "x")


def _text(means: pd.DataFrame, panel: Mapping[str, Any], scale: str, claims: Sequence[Mapping[str, Any]]) -> str:
    """A panel's text: our mean speedups, and the paper's beside our arithmetic one."""
    text, claim = method_text(means, ""), paper_claim(claims, panel)
    if claim is None:
        return text
    ours = means[(means["method"] == claim["method"]) & (means["band"] == "all") & (means["points"] > 0)]
    if ours.empty:
        return text
    whose = "paper" if scale == PAPER else f"paper, {panel[PAPER]['model']}"
    stated = paper_text(claim["low"], claim["high"], claim["cells"], "×")
    whom = f"{METHODS[claim['method']].caption}: " if means["method"].nunique() > 1 else ""
    text += f"\n{whom}arithmetic mean {mean_text(ours.iloc[0], 'arithmetic', '')}"
    return f"{text}\n{whose} [{claim['marks']}]: {stated}"
