"""latency.csv, call_costs.csv: seconds and cost of each kind of call, N, and sizes of networks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from morse.methods import METHODS
from morse.methods.plans import DASH, DOT

LATENCY_COLUMNS = [
    "model", "scale", "dash_execution", "dot_execution", "batch_size",
    "dash_seconds", "dot_seconds", "ratio", "ratio_low", "ratio_high", "counts", "ratio_flops",
    "dash_gflops", "dot_gflops", "dash_parameters", "dot_parameters", "dot_own_parameters",
    "warm_up_seconds", "device", "threads", "dtype", "tf32", "memory_format",
]  # fmt: skip
CALL_COLUMNS = [
    "model", "scale", "dash_execution", "dot_execution", "batch_size",
    "call", "caption", "seconds", "lsd", "lsd_low", "lsd_high", "counts",
]  # fmt: skip


def latency_table(records: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Dash and Dot: one row for each model's measured executions and batch size.

    The columns are :data:`LATENCY_COLUMNS`. Seconds are of a call on a whole batch, FLOPs of one
    image. ``ratio`` is N with its 95 % interval. The interval covers one session only: on other
    days the same machine differs by more. ``counts`` marks the row whose costs count in LSD, that
    of the runs' own batch size and executions. ``ratio_flops`` is what N would be if time were
    arithmetic alone. ``dot_parameters`` are those that Dot takes memory for beside Dash. They are
    its own and a copy of the blocks that it shares, into which LoRA is merged. Models whose methods
    need no Dot have no row.

    Args:
        records: of :func:`morse.results.records.latency_record`, one a model.
    """
    rows = []
    for record, measured, row in _measurements(records):
        if DOT not in measured["costs"]:
            continue
        dash, dot = record["flops"]["dash"], record["flops"]["dot"]
        low, high = measured["intervals"][DOT]
        rows.append(
            row
            | {key: measured[key] for key in ("warm_up_seconds", "threads", "dtype", "tf32")}
            | {"dash_seconds": measured["seconds"][DASH], "dot_seconds": measured["seconds"][DOT]}
            | {
                "ratio": 1.0 / measured["costs"][DOT],
                "ratio_low": 1.0 / high,
                "ratio_high": 1.0 / low,
                "ratio_flops": dash / dot,
            }
            | {"dash_gflops": dash / 1e9, "dot_gflops": dot / 1e9}
            | {"device": record["provenance"]["device"], "memory_format": record["memory_format"]}
            | {f"{network}_parameters": record["parameters"][network] for network in ("dash", "dot", "dot_own")}
        )
    table = pd.DataFrame(rows, columns=LATENCY_COLUMNS)
    return table.sort_values(["model", "dash_execution", "dot_execution", "batch_size"], ignore_index=True)


def call_cost_table(records: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """All kinds of call: one row for each of a model, its executions and batch size.

    The columns are :data:`CALL_COLUMNS`. ``call`` is the letter in plans. ``lsd`` is its cost in
    latencies of a Dash call, with a 95 % interval. ``counts`` marks the costs that runs are counted
    with.

    Args:
        records: as of :func:`latency_table`.
    """
    captions = {letter: caption for method in METHODS.values() for letter, caption in method.calls.items()}
    rows = []
    for _, measured, row in _measurements(records):
        for letter, cost in measured["costs"].items():
            low, high = measured["intervals"][letter]
            times = {"seconds": measured["seconds"][letter], "lsd": cost, "lsd_low": low, "lsd_high": high}
            rows.append(row | {"call": letter, "caption": captions[letter]} | times)
    table = pd.DataFrame(rows, columns=CALL_COLUMNS)
    return table.sort_values(["model", "dash_execution", "dot_execution", "batch_size", "call"], ignore_index=True)


def _measurements(records: Iterable[Mapping[str, Any]]) -> Iterable[tuple[Mapping, Mapping, dict[str, Any]]]:
    """Each record, each of its measurements, and the columns of these that both tables have."""
    for record in records:
        for place, measured in enumerate(record["measurements"]):
            row = {
                "model": record["model"],
                "scale": record["scale"],
                "batch_size": measured["batch_size"],
                "counts": place == 0,
            }
            executions = {f"{network}_execution": execution for network, execution in measured["executions"].items()}
            yield record, measured, row | executions
