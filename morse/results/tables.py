"""Records -> all tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from morse.results.best_guidance import best_guidance_table, with_best
from morse.results.columns import write_table
from morse.results.costs import cost_table
from morse.results.headline import headline_table
from morse.results.jackknife import jackknife_table
from morse.results.latency import call_cost_table, latency_table
from morse.results.lossless import with_lossless
from morse.results.records import read_latency, read_training
from morse.results.runs import check_one_code, check_one_device, runs_table
from morse.results.speedup import speedup_draws, speedup_table, without_baseline
from morse.results.speedup_by_metric import speedups_by_metric
from morse.results.summary import speedup_summary
from morse.results.timing import check_timings, read_timing, timing_table, with_timings

TABLES = (
    "runs",
    "speedup",
    "summary",
    "jackknife",
    "latency",
    "call_costs",
    "costs",
    "speedup_by_metric",
    "summary_by_metric",
    "best_guidance",
    "timing",
    "headline",
)
"""Names of the tables, without the suffix .csv."""


def make_tables(
    records: Sequence[Mapping[str, Any]],
    latencies: Iterable[Mapping[str, Any]],
    trainings: Mapping[str, Mapping[str, Any]],
    quality: Mapping[str, Any],
    timings: Sequence[Mapping[str, Any]] = (),
) -> dict[str, pd.DataFrame]:
    """All tables of a run of the workflow: name of :data:`TABLES` -> table.

    Args:
        records: of :func:`morse.results.records.read_records`.
        latencies: of :func:`morse.results.records.latency_record`.
        trainings: model -> ``seconds`` and ``hardware`` of its Dot's training.
        quality: the configuration's ``margin``, ``saturation`` and ``max_quality``.
        timings: of :func:`read_timings`. Runs that none is of keep their own wall-clock.
    """
    by_model = {record["model"]: record for record in latencies}
    of_scales = with_timings(runs_table(records, by_model), timings)
    runs, jackknife = with_best(of_scales, jackknife_table(records))
    speedups = with_lossless(speedup_table(runs, jackknife, quality["saturation"]), runs, jackknife, quality["margin"])
    by_metric, summary_by_metric = speedups_by_metric(of_scales, records, quality["saturation"])
    return {
        "runs": runs,
        "speedup": speedups,
        "summary": speedup_summary(speedups, quality["max_quality"], speedup_draws(runs, jackknife)),
        "jackknife": jackknife,
        "latency": latency_table(by_model.values()),
        "call_costs": call_cost_table(by_model.values()),
        "costs": cost_table(runs, speedups, trainings),
        "speedup_by_metric": by_metric,
        "summary_by_metric": summary_by_metric,
        "best_guidance": best_guidance_table(of_scales),
        "timing": timing_table(timings),
        "headline": headline_table(of_scales, records, quality["saturation"]),
    }


def warnings(
    runs: pd.DataFrame,
    latencies: Sequence[Mapping[str, Any]],
    paths: Iterable[Path | str],
    timings: Iterable[Mapping[str, Any]],
) -> list[str]:
    """What a reader of the tables should know: one line each, none where all is well.

    Args:
        runs: the table of that name.
        latencies, paths: latency records and their files.
        timings: of :func:`read_timings`.
    """
    checks = check_one_code(runs), check_one_device(runs, latencies, paths), check_timings(runs, timings)
    return [warning for warning in (*checks, without_baseline(runs)) if warning]


def read_latencies(paths: Iterable[Path | str]) -> list[dict[str, Any]]:
    """The latency records of some files."""
    return [read_latency(path) for path in paths]


def read_timings(paths: Iterable[Path | str]) -> list[dict[str, Any]]:
    """The timing records of some files."""
    return [read_timing(path) for path in paths]


def read_trainings(
    paths: Iterable[Path | str], shipped: Mapping[str, Mapping[str, Any]]
) -> dict[str, Mapping[str, Any]]:
    """Model -> what its Dot's training took.

    Args:
        paths: files MODEL.json of :func:`morse.results.records.training_record`.
        shipped: model -> what the card of a shipped Dot says.
    """
    return {**shipped, **{Path(path).stem: read_training(path) for path in paths}}


def write_tables(tables: Mapping[str, pd.DataFrame], paths: Mapping[str, Path | str]) -> None:
    """Writes each table to the path of its name, as :func:`morse.results.columns.write_table`."""
    for name, table in tables.items():
        write_table(table, paths[name])
