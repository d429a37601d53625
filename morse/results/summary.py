"""summary.csv: mean speedups over the budgets of each curve."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from morse.results.runs import CLOCKS, CURVE
from morse.results.speedup import INTERVAL

BEFORE_SATURATION = "before saturation"
"""The band of budgets at which the baseline's curve still falls."""
KEY = [*CURVE, "method", "scale", "metric"]

SUMMARY_COLUMNS = [
    *KEY, "band",
    *(f"{name}{suffix}" for suffix in CLOCKS.values()
      for name in ("points", "excluded", "geometric_mean", "geometric_mean_low", "geometric_mean_high",
                   "arithmetic_mean", "lower_bound")),
]  # fmt: skip


def speedup_summary(
    speedups: pd.DataFrame, max_quality: float | None = None, draws: Mapping[str, np.ndarray] | None = None
) -> pd.DataFrame:
    """Mean speedups over the budgets of each (model, task, sampler, method), on both clocks.

    ``geometric_mean`` is ours, with its 95 % interval if ``draws`` are given. ``arithmetic_mean``
    is the paper's. Points censored "above" count with their bound. The mean is then a lower bound
    too (``lower_bound``), and its interval is that of the bound. Points censored "below" do not
    count, which flatters the method: show their number, ``excluded``, beside the mean. Columns with
    ``_wall`` are of the wall-clock. There is a row for each ``band``:

    * "all": every point.
    * "before saturation": points at budgets at which the baseline's curve still falls; none if it
      never falls.
    * with ``max_quality``, a third band: points of that quality or better.

    Args:
        draws: those of :func:`morse.results.speedup.speedup_draws`, made of the same runs as the
            table.
    """
    bands = {
        "all": lambda curve: curve["quality"].notna(),
        BEFORE_SATURATION: lambda curve: ~curve["saturated"].astype(bool),
    }
    if max_quality is not None:
        bands[f"quality <= {max_quality:g}"] = lambda curve: curve["quality"] <= max_quality
    speedups = speedups.reset_index(drop=True)
    rows = []
    for key, curve in speedups.groupby(KEY):
        for band, chosen in bands.items():
            inside = curve[chosen(curve)]
            row = {**dict(zip(KEY, key, strict=True)), "band": band}
            for clock, suffix in CLOCKS.items():
                counted = inside[(inside[f"censored{suffix}"] != "below") & inside[f"speedup{suffix}"].notna()]
                values = counted[f"speedup{suffix}"].astype(float)
                low, high = (np.nan, np.nan)
                if draws is not None and len(values):
                    means = np.exp(np.log(draws[clock][:, counted.index]).mean(axis=1))
                    low, high = np.percentile(means, INTERVAL)
                row |= {
                    f"points{suffix}": len(values),
                    f"excluded{suffix}": int((inside[f"censored{suffix}"] == "below").sum()),
                    f"geometric_mean{suffix}": np.exp(np.log(values).mean()),
                    f"geometric_mean_low{suffix}": low,
                    f"geometric_mean_high{suffix}": high,
                    f"arithmetic_mean{suffix}": values.mean(),
                    f"lower_bound{suffix}": bool((counted[f"censored{suffix}"] == "above").any()),
                }
            rows.append(row)
    return pd.DataFrame(rows, columns=SUMMARY_COLUMNS)
