"""What Morse costs beside its speedup: latencies and sizes of the networks, memory, and the training of Dot that has to pay."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from morse.results import CURVE

LATENCY_COLUMNS = [
    "model", "scale", "execution", "batch_size", "dash_seconds", "dot_seconds", "ratio", "ratio_low", "ratio_high", "ratio_flops",
    "dash_gflops", "dot_gflops", "dash_parameters", "dot_own_parameters", "warm_up_seconds",
    "device", "threads", "dtype", "tf32", "memory_format",
]  # fmt: skip
COST_COLUMNS = [
    *CURVE, "budget", "scale", "seconds_per_image", "baseline_seconds_per_image", "saved_per_image", "training_seconds", "trained_on",
    "sampled_on", "break_even_images", "memory", "baseline_memory",
]  # fmt: skip


def latency_table(records: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """One row for each measured execution and batch size of each model: columns :data:`LATENCY_COLUMNS`.

    Seconds are of a call on a whole batch, FLOPs of one image. ``ratio`` is N with its 95 % interval; ``ratio_flops`` what it would be
    if time were arithmetic alone.

    Args:
        records: one JSON record per model, as the workflow's rule ``latency`` writes.
    """
    rows = []
    for record in records:
        dash, dot = record["flops"]["dash"], record["flops"]["dot"]
        for made in record["measurements"]:
            low, high = made["ratio_interval"]
            rows.append(
                {key: record.get(key, made.get(key)) for key in LATENCY_COLUMNS}
                | {"ratio": made["ratio"], "ratio_low": low, "ratio_high": high, "ratio_flops": dash / dot}
                | {"dash_gflops": dash / 1e9, "dot_gflops": dot / 1e9, "device": record["provenance"]["device"]}
                | {"dash_parameters": record["parameters"]["dash"], "dot_own_parameters": record["parameters"]["dot_own"]}
            )
    return pd.DataFrame(rows, columns=LATENCY_COLUMNS).sort_values(["model", "execution", "batch_size"], ignore_index=True)


def cost_table(runs: pd.DataFrame, speedups: pd.DataFrame, trainings: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    r"""After how many images Dot has paid for its training, at each Morse point: columns :data:`COST_COLUMNS`.

    With w seconds of wall-clock for a Morse image and S the speedup by wall-clock, the baseline takes w S for an image of that
    quality, so that

    .. math:: \mathrm{images} = \mathrm{seconds(training)} / (w (S - 1)).

    Empty where Morse saves nothing or S is only a bound from above. A bound from below makes it an upper bound. The seconds of
    training are of the machine in ``trained_on``: on another one than ``sampled_on`` the division compares unlike seconds. Memory is
    the most bytes of a run's process (resident on a processor, allocated on a GPU).

    Args:
        runs: the table of :func:`morse.results.runs_table`.
        speedups: the table of :func:`morse.speedup.speedup_table` of these runs.
        trainings: model -> ``seconds`` and ``hardware`` of its Dot's training.
    """
    if speedups.empty:
        return pd.DataFrame(columns=COST_COLUMNS)
    point = [*CURVE, "budget"]
    of_morse, of_dash = (
        runs[runs["method"] == method]
        .groupby(point)
        .agg(seconds_per_image=("seconds_per_image", "mean"), memory=("memory", "max"), sampled_on=("device", "first"))
        for method in ("morse", "baseline")
    )
    table = speedups.join(of_morse, on=point).join(of_dash[["memory"]].add_prefix("baseline_"), on=point)
    table["baseline_seconds_per_image"] = table["seconds_per_image"] * table["speedup_wall"].astype(float)
    table["saved_per_image"] = table["baseline_seconds_per_image"] - table["seconds_per_image"]
    table["training_seconds"] = table["model"].map({model: made["seconds"] for model, made in trainings.items()}).astype(float)
    table["trained_on"] = table["model"].map({model: made["hardware"] for model, made in trainings.items()})
    pays = (table["saved_per_image"] > 0) & (table["censored_wall"] != "below")
    table["break_even_images"] = np.ceil(table["training_seconds"] / table["saved_per_image"].where(pays))
    return table[COST_COLUMNS]
