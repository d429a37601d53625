"""What Morse costs beside its speedup: latencies and sizes of the networks, memory, and the training of Dot that has to pay."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from morse.results.runs import CURVE

COST_COLUMNS = [
    *CURVE, "budget", "scale", "seconds_per_image", "equal_quality_seconds", "censored", "training_seconds", "trained_on", "sampled_on",
    "break_even_images", "break_even_low", "break_even_high", "memory", "baseline_memory",
]  # fmt: skip


def cost_table(runs: pd.DataFrame, speedups: pd.DataFrame, trainings: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    r"""After how many images Dot has paid for its training, at each Morse point: columns :data:`COST_COLUMNS`.

    With w seconds of wall-clock for a Morse image and S the speedup by wall-clock, the baseline takes w S for an image of that
    quality (``equal_quality_seconds``), so that

    .. math:: \mathrm{images} = \mathrm{seconds(training)} / (w (S - 1)),

    infinite where S <= 1. Its interval has those images at both ends of the speedup's. ``censored`` is the speedup's: "above" makes the
    number of images an upper bound (empty where the bound of S is not above 1: nothing is known), "below" a lower one. The seconds of
    training are of the machine in ``trained_on``: on another one than ``sampled_on`` the division compares unlike seconds. Memory is
    the most bytes of a run's process: on a GPU what was allocated there, on a processor the resident memory, most of which are libraries
    and differs by some percent from run to run.

    Args:
        runs: the table of :func:`morse.results.runs.runs_table`.
        speedups: the table of :func:`morse.results.speedup.speedup_table` of these runs.
        trainings: model -> ``seconds`` and ``hardware`` of its Dot's training.
    """
    if speedups.empty:
        return pd.DataFrame(columns=COST_COLUMNS)
    point = [*CURVE, "budget"]
    of_morse, of_dash = (runs[runs["method"] == method].groupby(point) for method in ("morse", "baseline"))
    costs = of_morse.agg(seconds_per_image=("seconds_per_image", "mean"), memory=("memory", "max"), sampled_on=("device", "first"))
    table = speedups.join(costs, on=point).join(of_dash["memory"].max().rename("baseline_memory"), on=point)
    table["equal_quality_seconds"] = table["seconds_per_image"] * table["speedup_wall"].astype(float)
    table["censored"] = table["censored_wall"]
    table["training_seconds"] = table["model"].map({model: made["seconds"] for model, made in trainings.items()}).astype(float)
    table["trained_on"] = table["model"].map({model: made["hardware"] for model, made in trainings.items()})
    seconds = table["training_seconds"] / table["seconds_per_image"]
    for column, speedup in (("break_even_images", ""), ("break_even_low", "_high"), ("break_even_high", "_low")):
        table[column] = _images(seconds, table[f"speedup_wall{speedup}"].astype(float))
    unknown = (table["censored"] == "above") & ~(table["speedup_wall"].astype(float) > 1.0)
    table.loc[unknown, "break_even_images"] = np.nan
    table.loc[table["censored"].isin(["above", "below"]), ["break_even_low", "break_even_high"]] = np.nan
    return table[COST_COLUMNS]


def _images(seconds: pd.Series, speedup: pd.Series) -> pd.Series:
    """Training in units of a Morse image's time, and speedups -> whole images; infinite without a gain, NaN where one is unknown."""
    gain = (speedup - 1.0).where(speedup.isna() | (speedup > 1.0), 0.0)
    return np.ceil(seconds / gain)
