r"""jackknife.csv: covariance of the points of a quality-cost curve, from a jackknife paired over
runs.

Image i of a seed starts from the same noise in every run. Its group g = i mod G is left out of all
runs alike. As far as two runs share their luck, their distances without group g vary together. The
jackknife's covariance of points p and q,

.. math::
    C_{pq} = \frac{G - 1}{G} \sum_g (\theta_{pg} - \bar\theta_p)(\theta_{qg} - \bar\theta_q),

includes this. Therefore differences and speedups are known much better than either quality. Seeds
are independent of each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from morse.experiments.axes import named
from morse.results.runs import RUN

COLUMNS = [*RUN, "group", "quality"]
METHOD_AND_BUDGET = ["method", "budget"]
"""Columns that identify a point of one curve."""


def jackknife_table(records: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """The quality without each group's images: one row for each run and group.

    The columns are :data:`COLUMNS`.

    Args:
        records: one JSON record per run.
    """
    rows = [
        [*(record["run"][key] for key in RUN), group, quality]
        for record in records
        for group, quality in enumerate(record["quality"]["without_groups"])
    ]
    return pd.DataFrame(rows, columns=COLUMNS).sort_values([*RUN, "group"], ignore_index=True)


def degrees_of_freedom(factor: pd.DataFrame) -> float:
    """Degrees of freedom of the variances that :func:`error_factor` estimates.

    Each seed gives its groups less one. If points have different numbers of seeds, the point with
    the fewest counts, as it limits any difference. Infinite if the errors are the records' own.
    """
    if factor.columns.nlevels == 1:
        return np.inf
    groups = factor.columns.get_level_values("group").nunique()
    seeds = factor.ne(0.0).T.groupby(level="seed").any().sum()
    return (groups - 1) * int(seeds[seeds > 0].min()) if seeds.any() else np.inf


def error_factor(runs: pd.DataFrame, jackknife: pd.DataFrame | None = None) -> pd.DataFrame:
    """A matrix A for which A A^T is the covariance of a curve's qualities, averaged over seeds.

    It has a row for each (method, budget) of the curve.

    Args:
        runs: one curve's rows of :func:`morse.results.runs.runs_table`.
        jackknife: rows of :func:`jackknife_table` that include this curve's. None: the runs' own
            standard errors, as if runs of one seed shared nothing.

    Raises:
        ValueError: if the jackknife lacks one of the runs.
    """
    seeds = runs.groupby(METHOD_AND_BUDGET)["seed"].nunique()
    if jackknife is None:
        factor = runs.assign(error=runs["quality_se"], column=range(len(runs))).pivot(
            index=METHOD_AND_BUDGET, columns="column", values="error"
        )
    else:
        without = runs[RUN].merge(jackknife, on=RUN, how="left", validate="one_to_many")
        if (missing := without["quality"].isna()).any():
            raise ValueError(
                f"the jackknife lacks the run {named(without.loc[missing, RUN].iloc[0])}; make its record again"
            )
        groups = without.groupby(RUN)["quality"]
        count = groups.transform("count")
        without["deviation"] = np.sqrt((count - 1) / count) * (without["quality"] - groups.transform("mean"))
        factor = without.pivot(index=METHOD_AND_BUDGET, columns=["seed", "group"], values="deviation")
    return factor.fillna(0.0).div(seeds, axis=0)
