"""best_guidance.csv: the guidance scale with the best quality, for each method and budget.

The paper compares text models at the best of several scales. So a curve of several scales has one
more, whose guidance is "best": at each budget and method, the runs of the best scale. The minimum
of noisy values is optimistic, by the same rule for all methods.
"""

from __future__ import annotations

import math

import pandas as pd

from morse.experiments.axes import BEST, UNGUIDED
from morse.results.runs import CURVE, POINT, RUN

OF_SCALES = [axis for axis in POINT if axis != "guidance"]
"""Columns that identify a point of a curve of the best scale."""

BEST_COLUMNS = [*RUN, "scale", "images", "metric", "quality", "quality_se", "clip_score"]


def with_best(runs: pd.DataFrame, jackknife: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Both tables, with the curves of the best scale behind their own.

    Runs without guidance, and curves of one scale, get none.

    Args:
        runs: of :func:`morse.results.runs.runs_table`.
        jackknife: of :func:`morse.results.jackknife.jackknife_table`.
    """
    best = best_runs(runs)
    if best.empty:
        return runs, jackknife
    copies = jackknife.merge(best[RUN], on=RUN)
    tables = ((runs, best), (jackknife, copies))
    extended = [pd.concat([own, new.assign(guidance=BEST)], ignore_index=True) for own, new in tables]
    return extended[0].astype(runs.dtypes), extended[1].astype(jackknife.dtypes)


def best_runs(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs of the best scale at each point: of the least mean quality over seeds, the smaller
    scale of equal ones."""
    guided = runs[~runs["guidance"].isin([UNGUIDED, BEST])]
    several = guided.groupby(CURVE[:3])["guidance"].transform("nunique") > 1
    guided = guided[several]
    means = guided.groupby([*OF_SCALES, "guidance"], as_index=False)["quality"].mean()
    means = means.assign(number=means["guidance"].astype(float)).sort_values([*OF_SCALES, "quality", "number"])
    chosen = means.drop_duplicates(OF_SCALES)[[*OF_SCALES, "guidance"]]
    return guided.merge(chosen, on=[*OF_SCALES, "guidance"])[guided.columns]


def best_guidance_table(runs: pd.DataFrame) -> pd.DataFrame:
    """The best runs, with the scale that is theirs. Columns :data:`BEST_COLUMNS`."""
    best, column = best_runs(runs).sort_values([*OF_SCALES, "seed"], ignore_index=True), clip_column(runs)
    return best.assign(clip_score=best[column] if column else math.nan).reindex(columns=BEST_COLUMNS)


def clip_column(runs: pd.DataFrame) -> str | None:
    """The first column of CLIP scores that any run has; None if none has one.

    A CLIP extractor is as a rule not a task's first. Its columns then bear its name.
    """
    scores = [name for name in runs if name.startswith("clip_score") and not name.endswith("_se")]
    return next((name for name in scores if runs[name].notna().any()), None)
