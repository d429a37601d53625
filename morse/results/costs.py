"""costs.csv: costs of a method beside its time: memory, and Dot's training, which must pay off."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from morse.methods import BASELINE, METHODS
from morse.results.runs import CURVE, POINT

COST_COLUMNS = [
    *POINT, "scale", "seconds_per_image", "equal_quality_seconds", "censored",
    "training_seconds", "trained_on", "sampled_on",
    "break_even_images", "break_even_low", "break_even_high", "memory", "baseline_memory",
]  # fmt: skip


def cost_table(runs: pd.DataFrame, speedups: pd.DataFrame, trainings: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    r"""The number of images after which Dot's training has paid off, at each point of a method.

    The columns are :data:`COST_COLUMNS`. A method takes w seconds of wall-clock for an image, with
    a speedup by wall-clock of S. The baseline takes w S for an image of that quality
    (``equal_quality_seconds``). So training has paid off after

    .. math:: \mathrm{images} = \mathrm{seconds(training)} / (w (S - 1)),

    which is infinite if S <= 1. The interval's ends are the images at the ends of the speedup's.

    ``censored`` is the speedup's. "above" makes the number of images an upper bound. It is empty if
    the bound of S is not above 1, as nothing is known then. "below" makes it a lower bound.

    Seconds of training are those of the machine in ``trained_on``. If ``sampled_on`` is another
    machine, the division compares unlike seconds. A method without Dot has no training.

    ``memory`` is the most bytes of a run's process. On a GPU it is what was allocated there. On a
    processor it is resident memory, most of it libraries. It differs by some percent from run to
    run.

    Args:
        runs: the table of :func:`morse.results.runs.runs_table`.
        speedups: the table of :func:`morse.results.speedup.speedup_table` of these runs.
        trainings: model -> ``seconds`` and ``hardware`` of its Dot's training.
    """
    if speedups.empty:
        return pd.DataFrame(columns=COST_COLUMNS)
    of_method = runs[runs["method"] != BASELINE].groupby(POINT)
    costs = of_method.agg(
        seconds_per_image=("seconds_per_image", "mean"), memory=("memory", "max"), sampled_on=("device", "first")
    )
    of_baseline = runs[runs["method"] == BASELINE].groupby([*CURVE, "budget"])["memory"].max().rename("baseline_memory")
    table = speedups.join(costs, on=POINT).join(of_baseline, on=[*CURVE, "budget"])
    speedup = {end: table[f"speedup_wall{end}"].astype(float) for end in ("", "_low", "_high")}
    table["equal_quality_seconds"] = table["seconds_per_image"] * speedup[""]
    table["censored"] = table["censored_wall"]
    trained = table["model"].where(table["method"].map(lambda name: "dot" in METHODS[name].networks))
    table["training_seconds"] = trained.map(
        {model: training["seconds"] for model, training in trainings.items()}
    ).astype(float)
    table["trained_on"] = trained.map({model: training["hardware"] for model, training in trainings.items()})
    images = table["training_seconds"] / table["seconds_per_image"]
    for column, end in (("break_even_images", ""), ("break_even_low", "_high"), ("break_even_high", "_low")):
        table[column] = _images(images, speedup[end])
    unknown = (table["censored"] == "above") & ~(speedup[""] > 1.0)
    table.loc[unknown, "break_even_images"] = np.nan
    table.loc[table["censored"].isin(["above", "below"]), ["break_even_low", "break_even_high"]] = np.nan
    return table[COST_COLUMNS]


def _images(training: pd.Series, speedup: pd.Series) -> pd.Series:
    """Whole images after which training has paid off: infinite without a gain, NaN if unknown.

    Args:
        training: in units of an image's time.
    """
    gain = (speedup - 1.0).where(speedup.isna() | (speedup > 1.0), 0.0)
    return np.ceil(training / gain)
