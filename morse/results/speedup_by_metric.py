"""Whether a speedup hangs on what measures quality: the same runs, judged by each distance that was computed for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from morse.results.jackknife import jackknife_table
from morse.results.speedup import SPEEDUP_COLUMNS, speedup_draws, speedup_table
from morse.results.summary import SUMMARY_COLUMNS, speedup_summary

DISTANCES = {"kid": "KID", "frechet_infinity": "{metric}, infinitely many images", "second_opinion": "second opinion: {second_metric}"}
"""Column of the table of runs in which lower is better -> what it is called, in terms of the row's others."""


def _judged(runs: pd.DataFrame, records: Sequence[Mapping[str, Any]]) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """The runs with each distance in the place of their quality, and the jackknife of these."""
    yield runs, jackknife_table(records)
    for column, label in DISTANCES.items():
        known = runs[runs[column].notna()]
        names = [label.format(**row) for row in known[["metric", "second_metric"]].to_dict("records")]
        judged = known.assign(quality=known[column], quality_se=known[f"{column}_se"], metric=names)
        measured = [record | {"quality": record["metrics"][column]} for record in records if column in record.get("metrics", {})]
        yield judged, jackknife_table(measured)


def speedups_by_metric(
    runs: pd.DataFrame, records: Iterable[Mapping[str, Any]], tolerance: float = 0.05
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Speedups by the distance that counts and by each of :data:`DISTANCES` that the runs have, and their means over the budgets.

    Args:
        runs: the table of :func:`morse.results.runs.runs_table`.
        records: the records that it is made of, with their ``metrics``.
        tolerance: of :func:`morse.results.equal_quality.saturation`, which is found for each metric anew.

    Returns:
        Tables with the columns :data:`morse.results.speedup.SPEEDUP_COLUMNS` and :data:`morse.results.summary.SUMMARY_COLUMNS`, in which ``metric``
        tells the rows apart.
    """
    tables, summaries = [pd.DataFrame(columns=SPEEDUP_COLUMNS)], [pd.DataFrame(columns=SUMMARY_COLUMNS)]
    for judged, jackknife in _judged(runs, list(records)):
        table = speedup_table(judged, jackknife, tolerance)
        if not table.empty:
            tables.append(table)
            summaries.append(speedup_summary(table, draws=speedup_draws(judged, jackknife)))
    return pd.concat(tables[1:] or tables, ignore_index=True), pd.concat(summaries[1:] or summaries, ignore_index=True)
