"""Whether a speedup hangs on what measures quality: the same runs, judged by each distance that was computed for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from morse.jackknife import jackknife_table
from morse.results import CURVE, POINT, average_seeds
from morse.speedup import SPEEDUP_COLUMNS, SUMMARY_COLUMNS, saturation, speedup_draws, speedup_summary, speedup_table

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


def _with_logarithms(judged: pd.DataFrame) -> pd.DataFrame:
    """The runs of points whose mean over the seeds is above zero, of curves that so have points of both methods."""
    sound = judged[judged.groupby(POINT)["quality"].transform("mean") > 0]
    return sound[sound.groupby(CURVE)["method"].transform("nunique") == 2]


def _flat_from(judged: pd.DataFrame, tolerance: float) -> pd.Series:
    """Curve -> the budget from which on its baseline is flat, told by all its points."""
    baseline = average_seeds(judged[judged["method"] == "baseline"])
    return baseline.groupby(CURVE)[["budget", "quality"]].apply(lambda points: saturation(points, tolerance))


def speedups_by_metric(
    runs: pd.DataFrame, records: Iterable[Mapping[str, Any]], tolerance: float = 0.05
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Speedups by the distance that counts and by each of :data:`DISTANCES` that the runs have, and their means over the budgets.

    Estimates without bias may be zero or negative where a run is as good as the data; logarithms have no place for points whose mean over
    the seeds is. They are left out: a Morse point so does not count, and without a baseline's best points speedups are bounds where they
    would not be. Whether a curve is flat is told by all its points.

    Args:
        runs: the table of :func:`morse.results.runs_table`.
        records: the records that it is made of, with their ``metrics``.
        tolerance: of :func:`morse.speedup.saturation`, which is found for each metric anew.

    Returns:
        Tables with the columns :data:`morse.speedup.SPEEDUP_COLUMNS` and :data:`morse.speedup.SUMMARY_COLUMNS`, in which ``metric``
        tells the rows apart.
    """
    tables, summaries = [pd.DataFrame(columns=SPEEDUP_COLUMNS)], [pd.DataFrame(columns=SUMMARY_COLUMNS)]
    for judged, jackknife in _judged(runs, list(records)):
        drawn = _with_logarithms(judged)
        table = speedup_table(drawn, jackknife, tolerance)
        if not table.empty:
            flat = table.join(_flat_from(judged, tolerance).rename("flat"), on=CURVE)["flat"]
            table = table.assign(saturated=table["budget"] >= flat)
            tables.append(table)
            summaries.append(speedup_summary(table, draws=speedup_draws(drawn, jackknife)))
    return pd.concat(tables[1:] or tables, ignore_index=True), pd.concat(summaries[1:] or summaries, ignore_index=True)
