r"""headline.csv: Morse against its own baseline, and the best Morse against the best baseline.

A row has the geometric mean of speedups at equal quality over the budgets before the baseline is
flat, as the summary has it (:mod:`morse.results.summary`). ``against`` says which baseline:

* ``own``: that of the same sampler. So the mean is the summary's.
* ``best``: the lower envelope of all methods that are not Morse, with any sampler of that (model,
  task). At each budget b in LSD it has the quality

  .. math:: q(b) = \min_{\mathrm{sampler}, \mathrm{method}} q_{\mathrm{sampler}, \mathrm{method}}(b)

  and the cost of the one that has it. One more row, with the sampler ``best``, is of the best
  Morse: at each budget that of the sampler with the best quality.

Who is best is drawn again in each bootstrap draw. All the same the minimum of noisy numbers is
optimistic: its mean is below the least of the means. Against ``best`` this flatters the baseline,
so these speedups and the ends of their intervals are rather too small. In the row of the best
Morse both sides have this bias.

Of a text model the curves of the best guidance scale count (:mod:`morse.results.best_guidance`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from morse.experiments.axes import BEST, UNGUIDED
from morse.methods import MORSE
from morse.quality.metrics import FRECHET
from morse.results.best_guidance import with_best
from morse.results.envelope import envelope, one_guidance, speedups_over
from morse.results.equal_quality import saturation
from morse.results.jackknife import error_factor, jackknife_table
from morse.results.runs import CLOCKS, CURVE, POINT, RUN, average_seeds, further_extractors
from morse.results.speedup import INTERVAL, log_draws, normal_draws, speedup_draws, speedup_table
from morse.results.speedup_by_metric import by_one
from morse.results.summary import BEFORE_SATURATION, speedup_summary

OWN = "own"
HEADLINE_COLUMNS = [
    "model", "task", "sampler", "method", "extractor", "against",
    "mean_lsd", "mean_lsd_low", "mean_lsd_high", "mean_wall", "budgets", "worst_difference_in_standard_errors",
]  # fmt: skip
WORST = HEADLINE_COLUMNS[-1]


def headline_table(runs: pd.DataFrame, records: Sequence[Mapping[str, Any]], tolerance: float = 0.05) -> pd.DataFrame:
    """The mean speedups of each (model, task, sampler, method), by the Fréchet distance of each
    extractor, against its own baseline and the best one.

    The columns are :data:`HEADLINE_COLUMNS`. ``mean_lsd`` has a 95 % interval by the draws of
    :func:`morse.results.speedup.speedup_draws`. ``mean_wall`` is by wall-clock, NaN for runs of
    several devices. ``budgets`` are those that count in ``mean_lsd``, with spaces between. Speedups
    that are lower bounds count with their bound, and upper bounds do not count.
    ``worst_difference_in_standard_errors`` is the largest, over all budgets of the row, of the
    quality less that of the same sampler's baseline at the same budget, in paired standard errors.
    Positive is worse.

    Args:
        runs: the table of :func:`morse.results.runs.runs_table`.
        records: the records that it is made of, with their ``metrics``.
        tolerance: of :func:`morse.results.equal_quality.saturation`.
    """
    rows = []
    for judged, jackknife, names in _judged(runs, records):
        judged, jackknife = with_best(judged, jackknife)
        judged = one_guidance(judged)
        speedups = speedup_table(judged, jackknife, tolerance)
        rows += _against_own(speedups, speedup_draws(judged, jackknife), names)
        for key, of_task in judged.groupby(CURVE[:2]):
            own = speedups[(speedups[CURVE[:2]] == list(key)).all(axis=1) & (speedups["method"] == MORSE)]
            rows += _against_best(of_task, jackknife, own, tolerance, names[key[1]])
    table = pd.DataFrame(rows, columns=HEADLINE_COLUMNS)
    return table.sort_values(HEADLINE_COLUMNS[:6], ignore_index=True)


def _judged(
    runs: pd.DataFrame, records: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[pd.DataFrame, pd.DataFrame, dict[str, str]]]:
    """The runs with the distance by each extractor as quality, its jackknife, and the extractor's
    name by task."""
    tasks = {record["run"]["task"]: record["quality"]["extractor_name"] for record in records}
    yield runs, jackknife_table(records), tasks
    for extractor in further_extractors(records):
        for judged, jackknife in by_one(runs, records, FRECHET, extractor):
            yield judged, jackknife, dict.fromkeys(tasks, extractor)


def _text(budgets: Sequence[int]) -> str:
    return " ".join(str(budget) for budget in sorted(budgets))


def _worst(differences: pd.DataFrame) -> float:
    """The largest difference in its standard errors; NaN if no budget has a baseline."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return (differences["difference"].astype(float) / differences["difference_se"].astype(float)).max()


def _against_own(
    speedups: pd.DataFrame, draws: Mapping[str, np.ndarray], names: Mapping[str, str]
) -> Iterator[list[Any]]:
    summary = speedup_summary(speedups, draws=draws)
    for row in summary[summary["band"] == BEFORE_SATURATION].to_dict("records"):
        curve = speedups[(speedups[[*CURVE, "method"]] == [row[axis] for axis in (*CURVE, "method")]).all(axis=1)]
        counted = ~curve["saturated"].astype(bool) & (curve["censored"] != "below") & curve["speedup"].notna()
        yield [
            *(row[name] for name in ("model", "task", "sampler", "method")), names[row["task"]], OWN,
            *(row[f"geometric_mean{end}"] for end in ("", "_low", "_high", "_wall")),
            _text(curve.loc[counted, "budget"]), _worst(curve),
        ]  # fmt: skip


def _pooled(
    runs: pd.DataFrame, jackknife: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, tuple[str, str]]]:
    """The runs of a (model, task), and their jackknife, as one curve of many methods.

    Returns:
        Runs and jackknife, and name of such a method -> its sampler and method.
    """
    own = jackknife.merge(runs[RUN], on=RUN)
    pairs = {f"{one.sampler}/{one.method}": (one.sampler, one.method) for one in runs.itertuples()}
    tables = (
        table.assign(sampler=BEST, guidance=UNGUIDED, method=table["sampler"] + "/" + table["method"])
        for table in (runs, own)
    )
    return *tables, pairs


def _against_best(
    runs: pd.DataFrame, jackknife: pd.DataFrame, own: pd.DataFrame, tolerance: float, extractor: str
) -> Iterator[list[Any]]:
    """The rows of a (model, task).

    Args:
        own: Morse's speedups over the baselines of its own samplers.
    """
    sound = runs[runs.groupby(POINT)["quality"].transform("mean") > 0]  # others have no logarithm
    pool, jackknife, pairs = _pooled(sound, jackknife)
    points, factor = average_seeds(pool), error_factor(pool, jackknife)
    samplers, methods = (points["method"].map(lambda name, i=i: pairs[name][i]).to_numpy() for i in (0, 1))
    morse = methods == MORSE
    if morse.all() or not morse.any():
        return
    log_quality = log_draws(points, factor, normal_draws(factor))
    best = envelope(points, log_quality, ~morse)
    flat = saturation(pd.DataFrame({"budget": best.budgets, "quality": np.exp(best.log_quality[0])}), tolerance)
    model, task = runs[["model", "task"]].iloc[0]
    differences = own.set_index(["sampler", "budget"])[["difference", "difference_se"]]
    for sampler in (*np.unique(samplers[morse]), BEST):
        method = envelope(points, log_quality, morse if sampler == BEST else morse & (samplers == sampler))
        means, counted = {clock: (np.nan,) * 3 for clock in CLOCKS}, {}
        for clock in CLOCKS if pool["device"].nunique() == 1 else ["lsd"]:
            speedups, censored = speedups_over(best, method, np.log(points[clock].to_numpy()))
            counted[clock] = (method.budgets < flat) & (censored != "below")
            if counted[clock].any():
                of_draws = np.exp(np.log(speedups[:, counted[clock]]).mean(axis=1))
                means[clock] = of_draws[0], *np.percentile(of_draws[1:], INTERVAL)
        lsd, wall = (means[clock] for clock in CLOCKS)
        at = [*zip(samplers[method.chosen[0]], method.budgets, strict=True)]
        yield [
            model, task, sampler, MORSE, extractor, BEST, *lsd, wall[0],
            _text(method.budgets[counted["lsd"]]), _worst(differences.reindex(at)),
        ]  # fmt: skip
