"""latency.csv: seconds of a call, N and sizes of each model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

LATENCY_COLUMNS = [
    "model", "scale", "dash_execution", "dot_execution", "batch_size", "dash_seconds", "dot_seconds", "ratio", "ratio_low", "ratio_high",
    "counts", "ratio_flops", "dash_gflops", "dot_gflops", "dash_parameters", "dot_parameters", "dot_own_parameters",
    "warm_up_seconds", "device", "threads", "dtype", "tf32", "memory_format",
]  # fmt: skip


def latency_table(records: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """One row for each measured pair of executions and batch size of each model: columns :data:`LATENCY_COLUMNS`.

    Seconds are of a call on a whole batch, FLOPs of one image. ``ratio`` is N with its 95 % interval, which is of one session: on other
    days the same machine differs by more. ``counts`` marks the one that costs in LSD are counted with, that of the run's own batch size
    and executions. ``ratio_flops`` is what N would be if time were arithmetic alone. ``dot_parameters`` are those that Dot takes memory for
    beside Dash: its own, and a copy of the blocks that it shares, into which LoRA is merged.

    Args:
        records: one JSON record per model, as the workflow's rule ``latency`` writes.
    """
    rows = []
    for record in records:
        dash, dot = record["flops"]["dash"], record["flops"]["dot"]
        for place, made in enumerate(record["measurements"]):
            low, high = made["ratio_interval"]
            rows.append(
                {key: record.get(key, made.get(key)) for key in LATENCY_COLUMNS}
                | {"ratio": made["ratio"], "ratio_low": low, "ratio_high": high, "ratio_flops": dash / dot}
                | {"counts": place == 0, "dash_gflops": dash / 1e9, "dot_gflops": dot / 1e9, "device": record["provenance"]["device"]}
                | {f"{network}_parameters": record["parameters"][network] for network in ("dash", "dot", "dot_own")}
            )
    return pd.DataFrame(rows, columns=LATENCY_COLUMNS).sort_values(
        ["model", "dash_execution", "dot_execution", "batch_size"], ignore_index=True
    )
