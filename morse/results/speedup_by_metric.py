"""speedup_by_metric.csv, summary_by_metric.csv: speedups by every distance that was computed.

The quality is one of these distances.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from morse.quality.metrics import FRECHET, METRICS
from morse.results.jackknife import jackknife_table
from morse.results.runs import RUN, further_extractors, metric_column
from morse.results.speedup import SPEEDUP_COLUMNS, speedup_draws, speedup_table
from morse.results.summary import SUMMARY_COLUMNS, speedup_summary

DISTANCES = [name for name, metric in METRICS.items() if metric.distance]
"""Metrics that speedups can be read off."""


def _judged(runs: pd.DataFrame, records: Sequence[Mapping[str, Any]]) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """The runs with each distance in place of their quality, and its jackknife."""
    yield runs, jackknife_table(records)
    for extractor in (None, *further_extractors(records)):
        for metric in DISTANCES:
            if (extractor, metric) != (None, FRECHET):
                yield from by_one(runs, records, metric, extractor)


def by_one(
    runs: pd.DataFrame, records: Sequence[Mapping[str, Any]], metric: str, extractor: str | None
) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """The runs with one distance of one extractor (None: each task's first) in place of their
    quality, and its jackknife.

    Yields nothing if no run has it.
    """
    column = METRICS[metric].columns[0]
    measured, labels = [], {}
    for record in records:
        by = record.get("metrics", {}).get(extractor or record["quality"]["extractor_name"], {})
        if column in by.get("metrics", {}):
            measured.append(record | {"quality": by["metrics"][column]})
            caption = METRICS[metric].caption
            labels[tuple(record["run"][axis] for axis in RUN)] = caption.format(extractor=by["label"]) + (
                f" ({by['extractor_name']})" if extractor and "{" not in caption else ""
            )
    if measured:
        column = metric_column(column, extractor) if extractor else column
        known = runs[runs[column].notna()]
        names = [labels[tuple(row)] for row in known[RUN].itertuples(index=False)]
        yield (
            known.assign(quality=known[column], quality_se=known[f"{column}_se"], metric=names),
            jackknife_table(measured),
        )


def speedups_by_metric(
    runs: pd.DataFrame, records: Iterable[Mapping[str, Any]], tolerance: float = 0.05
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Speedups by the quality and by each other distance of the runs; their means over the budgets.

    Args:
        runs: the table of :func:`morse.results.runs.runs_table`.
        records: the records that it is made of, with their ``metrics``.
        tolerance: of :func:`morse.results.equal_quality.saturation`, computed again for each
            metric.

    Returns:
        Tables with the columns :data:`morse.results.speedup.SPEEDUP_COLUMNS` and
        :data:`morse.results.summary.SUMMARY_COLUMNS`. Their ``metric`` tells the rows apart.
    """
    tables, summaries = [pd.DataFrame(columns=SPEEDUP_COLUMNS)], [pd.DataFrame(columns=SUMMARY_COLUMNS)]
    for judged, jackknife in _judged(runs, list(records)):
        table = speedup_table(judged, jackknife, tolerance)
        if not table.empty:
            tables.append(table)
            summaries.append(speedup_summary(table, draws=speedup_draws(judged, jackknife)))
    return pd.concat(tables[1:] or tables, ignore_index=True), pd.concat(summaries[1:] or summaries, ignore_index=True)
