r"""timing.csv: wall-clock of whole runs, made in turn; and how it enters the table of runs.

A timing record has the seconds of one batch by all methods of a cell, that is of one (model, task,
sampler, guidance, budget), in rounds (:mod:`morse.sampling.timing`). Two numbers of each method
come of it.

``seconds_per_image`` is for readers. It is the baseline's median seconds for an image, times the
method's ratio. Cells are timed apart from each other, so the machine's drift is between them.

``wall_lsd`` is for speedups. It is the wall-clock in units of the baseline's seconds for an LSD in
the same rounds,

.. math::
    \mathrm{wall} = r \, B \, \operatorname{median}_k \frac{b_k}{b_k - e_k},

with the method's ratio r and the budget B of the baseline in LSD. In round k the baseline takes b
seconds, of which e are decoding. So each factor is of ratios within a round, and no drift is left.

Why so: a speedup is the cost of the baseline at other budgets over the method's cost, so it
compares cells.

- Ratios of the seconds of two cells would have the drift between them.
- Baselines of all budgets in one job would take hours at large budgets.
- A call of Dash that is timed by itself is shorter than a run, so noisier. It also lacks the
  sampler's own arithmetic, which a run's calls have.
- Decoding takes as long at each budget and is no part of an LSD. With it, the unit would be too
  long at few LSD. So it has a term of its own, and stays in the wall-clock.

What else is done once a batch, such as drawing its noise, counts as if calls took it. Where
decoding takes next to nothing, the baseline's wall-clock in LSD is its budget.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from morse.experiments.axes import CELL, named
from morse.files import DamagedFile, read_json
from morse.methods import BASELINE
from morse.methods.plans import DASH, DOT
from morse.registry import remove_and_run
from morse.results.record_keys import OF_TIMED, OF_TIMING
from morse.results.runs import POINT

TIMING_COLUMNS = [
    *POINT, "images", "rounds", "seconds", "ratio", "ratio_low", "ratio_high", "wall_lsd", "device",
]  # fmt: skip


def timing_record(cell: Mapping[str, Any], timed: Mapping[str, Any], provenance: Mapping[str, Any]) -> dict[str, Any]:
    """The record of a cell's wall-clock.

    Args:
        cell: axis -> value.
        timed: of :func:`morse.sampling.timing.time_runs`.
    """
    return {axis: cell[axis] for axis in CELL} | dict(timed) | {"provenance": dict(provenance)}


def read_timing(path: Path | str) -> dict[str, Any]:
    """Reads what :func:`timing_record` made, and adds its ``path``.

    Raises:
        DamagedFile: one line, for any other file, or the record of another version of the library.
    """
    record = read_json(path, OF_TIMING)
    for name, timed in record["methods"].items():
        known = isinstance(timed, Mapping) and all(isinstance(timed.get(key), kind) for key, kind in OF_TIMED.items())
        if not known or not 0 < len(timed["seconds"]) == len(timed["decoding"]):
            raise DamagedFile(
                f"{path} is damaged or of another version of the library (methods.{name}); delete it and run again"
            )
    return record | {"path": str(path)}


def timing_table(timings: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """One row for each cell and method.

    The columns are :data:`TIMING_COLUMNS`. ``seconds`` is the median over the rounds of the seconds
    of a batch of ``images``. ``ratio`` is the median of the seconds over the baseline's of the same
    round, with its 95 % interval. A cell without a baseline has neither ratio nor ``wall_lsd``.

    Args:
        timings: of :func:`read_timing`.
    """
    rows = [
        [*(record[axis] if axis != "method" else name for axis in POINT), record["images"], len(timed["seconds"]),
         statistics.median(timed["seconds"]), timed["ratio"], timed["ratio_low"], timed["ratio_high"],
         _wall_lsd(record, timed), record["provenance"]["device"]]
        for record in timings
        for name, timed in record["methods"].items()
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=TIMING_COLUMNS)
    numbers = ["seconds", "ratio", "ratio_low", "ratio_high", "wall_lsd"]
    return table.astype(dict.fromkeys(numbers, float)).sort_values(POINT, ignore_index=True)


def _wall_lsd(record: Mapping[str, Any], timed: Mapping[str, Any]) -> float | None:
    """A method's wall-clock in LSD; None without a baseline. The module says what it is."""
    if BASELINE not in record["methods"]:
        return None
    baseline = record["methods"][BASELINE]
    parts = zip(baseline["seconds"], baseline["decoding"], strict=True)
    return timed["ratio"] * len(baseline["plan"]) * statistics.median(whole / (whole - part) for whole, part in parts)


def with_timings(runs: pd.DataFrame, timings: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """The table of runs with the wall-clock of their cells.

    ``seconds_per_image`` and ``wall_lsd`` are replaced. Runs of cells that were not timed keep
    their own. ``seconds`` are a run's own always.

    Args:
        runs: the table of :func:`morse.results.runs.runs_table`.
        timings: of :func:`read_timing`.

    Raises:
        ValueError: one line, for a timing by another plan or execution than a run's.
    """
    for record in timings:
        _check(runs, record)
    table = timing_table(timings)
    reference = table[table["method"] == BASELINE].set_index(list(CELL))["seconds"].rename("reference")
    table = table.join(reference, on=list(CELL))
    seconds = (table["reference"] * table["ratio"]).fillna(table["seconds"])
    timed = table.assign(seconds_per_image=seconds / table["images"]).set_index(POINT)
    found = runs[POINT].join(timed[["seconds_per_image", "wall_lsd"]].astype(float), on=POINT)
    return runs.assign(
        seconds_per_image=found["seconds_per_image"].fillna(runs["seconds_per_image"]),
        wall_lsd=found["wall_lsd"].fillna(runs["wall_lsd"]),
    )


def _of_cell(runs: pd.DataFrame, record: Mapping[str, Any]) -> pd.DataFrame:
    return runs[(runs[list(CELL)] == [record[axis] for axis in CELL]).all(axis=1)]


def _check(runs: pd.DataFrame, record: Mapping[str, Any]) -> None:
    """Raises ValueError if a run's calls or executions are not those that were timed."""
    own = _of_cell(runs, record)
    for run in own[own["method"].isin(record["methods"])].to_dict("records"):
        plan, differ = record["methods"][run["method"]]["plan"], []
        if (plan.count(DASH), plan.count(DOT), len(plan)) != (run["dash_calls"], run["dot_calls"], run["nfe"]):
            differ.append("plan")
        differ += [
            f"execution of {network}"
            for network, how in record["execution"].items()
            if pd.notna(ran := run[f"{network}_execution"]) and ran != how
        ]
        if differ:
            point, remedy = named(run[axis] for axis in POINT), remove_and_run("to time it again", record["path"])
            raise ValueError(f"{point} was timed with another {differ[0]} than it was run with; {remedy}")


def check_timings(runs: pd.DataFrame, timings: Iterable[Mapping[str, Any]]) -> str:
    """A warning if a cell was timed on another device, or by another version of the library, than
    all its runs were sampled; else the empty string."""
    for record in timings:
        own = _of_cell(runs, record)
        for column, what in (("device", "on another device"), ("code", "by another version of the library")):
            if len(own) and record["provenance"][column] not in {*own[column]}:
                cell = named(record[axis] for axis in CELL)
                remedy = remove_and_run("to time it here and now", record["path"])
                return f"{cell} was timed {what} than it was sampled; {remedy}"
    return ""
