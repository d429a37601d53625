"""Images of a text model by several runs -> grids, and a table of what the runs cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from morse.methods import METHODS
from morse.methods.plans import DASH, DOT
from morse.report.images import image_grid
from morse.sampling.shards import Shard

Runs = Mapping[tuple[str, int, float], Shard]
"""(method, budget in LSD, guidance scale) -> an image of each prompt, as of
:func:`morse.sampling.text_runs.text_runs`."""

WIDEST = 2.2
"""Inches, of an image."""


def budget_grid(runs: Runs, prompts: Sequence[str], guidance: float) -> Figure:
    """The images of one guidance scale: a row for each method and budget, a column for each prompt.

    Raises:
        ValueError: one line, if no run has this scale.
    """
    rows = [
        (f"{METHODS[method].caption}\n{budget} LSD", run.images)
        for (method, budget, scale), run in runs.items()
        if scale == guidance
    ]
    return _grid(rows, f"Guidance scale {guidance:g}", prompts)


def guidance_grid(runs: Runs, prompts: Sequence[str], budget: int) -> Figure:
    """The images of one budget: a row for each method and guidance scale. Raises ValueError as
    :func:`budget_grid` does."""
    rows = [
        (f"{METHODS[method].caption}\nguidance {scale:g}", run.images)
        for (method, lsd, scale), run in runs.items()
        if lsd == budget
    ]
    return _grid(rows, f"Budget {budget} LSD", prompts)


def _grid(rows: Sequence[tuple[str, np.ndarray]], title: str, prompts: Sequence[str]) -> Figure:
    if not rows:
        raise ValueError(f"{title}: no run has it; sample one")
    return image_grid(rows, title, prompts, WIDEST)


def call_table(runs: Runs) -> pd.DataFrame:
    """What each run cost: calls of each network for an image, and seconds an image."""
    rows = [
        {
            "method": method,
            "budget": budget,
            "guidance": guidance,
            "dash_calls": run.letters.count(DASH),
            "dot_calls": run.letters.count(DOT),
            "seconds_per_image": run.seconds / len(run.images),
        }
        for (method, budget, guidance), run in runs.items()
    ]
    return pd.DataFrame(rows)
