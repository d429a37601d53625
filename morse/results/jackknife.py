r"""The jackknife of whole curves: how the errors of all points of a curve, baseline's and Morse's, hang together.

Image i of a seed starts from the same noise in every run, and its group g = i mod G is left out of all runs alike. So the distances
without group g of two runs rise and fall together where the runs share their luck, and the jackknife's covariance of points p and q,

.. math:: C_{pq} = \frac{G - 1}{G} \sum_g (\theta_{pg} - \bar\theta_p)(\theta_{qg} - \bar\theta_q),

holds what pairing is worth. Differences and speedups are much better known than either quality. Seeds are independent of each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from morse.results.runs import NODE

COLUMNS = [*NODE, "group", "quality"]
POINT = ["method", "budget"]


def jackknife_table(records: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """One row for each node and group: the quality without that group's images. Columns :data:`COLUMNS`.

    Args:
        records: one JSON record per node.
    """
    rows = [
        [*(record["node"][key] for key in NODE), group, quality]
        for record in records
        for group, quality in enumerate(record["quality"]["without_groups"])
    ]
    return pd.DataFrame(rows, columns=COLUMNS).sort_values([*NODE, "group"], ignore_index=True)


def degrees_of_freedom(factor: pd.DataFrame) -> float:
    """Of the variances that :func:`error_factor` estimates: groups less one of each seed; infinite where they are the records' own.

    Where points have unlike numbers of seeds, it is those of the point with the fewest, which any difference hangs on.
    """
    if factor.columns.nlevels == 1:
        return np.inf
    groups = factor.columns.get_level_values("group").nunique()
    seeds = factor.ne(0.0).T.groupby(level="seed").any().sum()
    return (groups - 1) * int(seeds[seeds > 0].min()) if seeds.any() else np.inf


def error_factor(runs: pd.DataFrame, jackknife: pd.DataFrame | None = None) -> pd.DataFrame:
    """A matrix A, a row for each (method, budget) of one curve, for which A A^T is the covariance of the qualities averaged over seeds.

    Args:
        runs: one curve's rows of :func:`morse.results.runs.runs_table`.
        jackknife: rows of :func:`jackknife_table` that hold this curve's. None: the runs' own standard errors, as if runs of one seed
            shared nothing.

    Raises:
        ValueError: if the jackknife lacks one of the runs.
    """
    seeds = runs.groupby(POINT)["seed"].nunique()
    if jackknife is None:
        factor = runs.assign(error=runs["quality_se"], column=range(len(runs))).pivot(index=POINT, columns="column", values="error")
    else:
        without = runs[NODE].merge(jackknife, on=NODE, how="left", validate="one_to_many")
        if (missing := without["quality"].isna()).any():
            raise ValueError(f"the jackknife lacks the run {' '.join(map(str, without.loc[missing, NODE].iloc[0]))}; make its record anew")
        groups = without.groupby(NODE)["quality"]
        count = groups.transform("count")
        without["deviation"] = np.sqrt((count - 1) / count) * (without["quality"] - groups.transform("mean"))
        factor = without.pivot(index=POINT, columns=["seed", "group"], values="deviation")
    return factor.fillna(0.0).div(seeds, axis=0)
