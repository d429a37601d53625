"""Tidy tables -> tables to be read: Markdown, HTML, and LaTeX with booktabs.

First the columns that a reader needs become text (``runs_text`` and the like). Errors and intervals
are beside their numbers, and bounds are marked (:mod:`morse.report.cells`). Then
:mod:`morse.report.writers` sets the text. The CSV files keep every column and digit.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from morse.experiments.axes import BEST
from morse.files import write_text
from morse.report.cells import claimed, curve_names, number, renamed, rows, with_error, with_interval
from morse.report.paper_text import paper_speedups_text
from morse.report.writers import html, latex, markdown


def runs_text(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs (:data:`morse.results.runs.RUN_COLUMNS`) as text.

    Columns that only tell where runs were made are left out.
    """
    names = [*curve_names(runs), "method", "budget", "seed", "scale", "images", "metric"]
    runs = runs[runs["guidance"] != BEST]  # copies of others
    costs = ["nfe", "dash_calls", "dot_calls", "ratio_nominal", "ratio_measured", "lsd", "seconds_per_image"]
    quality = pd.DataFrame({"quality": rows(runs, with_error, "quality", "quality_se")}, index=runs.index)
    return pd.concat([renamed(runs, names), quality, renamed(runs, costs)], axis=1)


def speedup_text(speedups: pd.DataFrame) -> pd.DataFrame:
    """The speedups (:data:`morse.results.speedup.SPEEDUP_COLUMNS`) as text.

    Censored ones are marked ">=" or "<=".
    """
    run = [*curve_names(speedups), "method", "budget", "scale"]
    table = renamed(speedups, [*run, "metric", "quality", "baseline_quality", "lsd", "ceiling"])
    table["difference"] = rows(speedups, with_error, "difference", "difference_se")
    for heading, suffix in (("speedup", ""), ("speedup wall-clock", "_wall")):
        columns = [f"speedup{suffix}{end}" for end in ("", "_low", "_high")]
        table[heading] = rows(speedups, with_interval, *columns, f"censored{suffix}")
    table["saturated"] = speedups["saturated"].map({True: "yes", False: "no"})
    table["no worse than (LSD)"] = speedups["lossless_budget"].map(number)
    lossless = speedups["lossless_speedup"] > 1.0
    table["lossless speedup"] = speedups["lossless_speedup"].where(lossless).map(number)
    table["lossless speedup wall-clock"] = speedups["lossless_speedup_wall"].where(lossless).map(number)
    return table


def summary_text(summary: pd.DataFrame) -> pd.DataFrame:
    """The means of :func:`morse.results.summary.speedup_summary` as text.

    Lower bounds are marked ">=".
    """
    table = renamed(summary, [*curve_names(summary), "method", "scale", "metric", "band"])
    for clock, suffix in (("", ""), (" wall-clock", "_wall")):
        for name in ("points", "excluded"):
            table[f"{name}{clock}"] = summary[f"{name}{suffix}"].map(number)
        known = summary.assign(bound=summary[f"lower_bound{suffix}"].map({True: "above", False: ""}), unknown=math.nan)
        interval = [f"geometric_mean_{end}{suffix}" for end in ("low", "high")]
        table[f"geometric mean{clock}"] = rows(known, with_interval, f"geometric_mean{suffix}", *interval, "bound")
        table[f"arithmetic mean{clock}"] = rows(
            known, with_interval, f"arithmetic_mean{suffix}", "unknown", "unknown", "bound"
        )
    return table


def best_guidance_text(best: pd.DataFrame) -> pd.DataFrame:
    """The best scales of :func:`morse.results.best_guidance.best_guidance_table` as text."""
    table = renamed(best, [*curve_names(best), "method", "budget", "seed", "scale", "images", "metric"])
    table["quality"] = rows(best, with_error, "quality", "quality_se")
    table["clip score"] = best["clip_score"].map(number)
    return table


def latency_text(latencies: pd.DataFrame) -> pd.DataFrame:
    """The measurements of N (:data:`morse.results.latency.LATENCY_COLUMNS`) as text.

    Times are of a batch, in milliseconds.
    """
    table = renamed(latencies, ["model", "scale", "device", "dash_execution", "dot_execution", "batch_size"])
    table["counts"] = latencies["counts"].map({True: "yes", False: ""})
    for network in ("dash", "dot"):
        table[f"{network} (ms)"] = (1000.0 * latencies[f"{network}_seconds"]).map(number)
    table["N"] = rows(latencies.assign(bound=""), with_interval, "ratio", "ratio_low", "ratio_high", "bound")
    table["N by FLOPs"] = latencies["ratio_flops"].map(number)
    sizes = renamed(
        latencies,
        ["dash_gflops", "dot_gflops", "dash_parameters", "dot_parameters", "dot_own_parameters", "memory_format"],
    )
    return pd.concat([table, sizes], axis=1)


def call_costs_text(costs: pd.DataFrame) -> pd.DataFrame:
    """The costs of calls (:data:`morse.results.latency.CALL_COLUMNS`) as text.

    Times are of a batch, in milliseconds.
    """
    table = renamed(costs, ["model", "scale", "dash_execution", "dot_execution", "batch_size", "caption"])
    table["in plans"] = costs["call"]
    table["call (ms)"] = (1000.0 * costs["seconds"]).map(number)
    table["LSD"] = rows(costs.assign(bound=""), with_interval, "lsd", "lsd_low", "lsd_high", "bound")
    table["counts"] = costs["counts"].map({True: "yes", False: ""})
    return table


def costs_text(costs: pd.DataFrame) -> pd.DataFrame:
    """What Dot costs (:data:`morse.results.costs.COST_COLUMNS`) as text; memory is in megabytes."""
    run = [*curve_names(costs), "method", "budget", "scale"]
    table = renamed(costs, [*run, "seconds_per_image", "equal_quality_seconds", "training_seconds"])
    table["trained on"] = costs["trained_on"].fillna("")
    # A lower bound of the speedup is an upper bound of the images.
    turned = costs.assign(bound=costs["censored"].map({"above": "below", "below": "above"}).fillna(""))
    table["pays from image"] = rows(
        turned, with_interval, "break_even_images", "break_even_low", "break_even_high", "bound"
    )
    for heading, column in (("memory (MB)", "memory"), ("baseline memory (MB)", "baseline_memory")):
        table[heading] = (costs[column] / 1e6).round().map(number)
    return table


def claims_text(judged: pd.DataFrame) -> pd.DataFrame:
    """The verdicts of :func:`morse.results.claims.judge` as text.

    What a claim says is in the first of its rows only.
    """
    first = ~judged.duplicated("id")
    table = renamed(judged, ["claim", "marks", *curve_names(judged)])
    table["claim"] += [f" (our reading: {reading})" if reading else "" for reading in judged["reading"].fillna("")]
    table[["claim", "marks"]] = table[["claim", "marks"]].where(first, "")
    table["claimed"] = rows(judged, claimed, "expected_low", "expected_high", "unit")
    table["verdict"] = judged["verdict"]
    table["ours"] = rows(judged, _bounded, "ours", "bound")
    table["twin (never the paper's)"] = rows(judged, _bounded, "twin", "twin_bound")
    table["note"] = judged["note"]
    return table


def _bounded(value: float, bound: str) -> str:
    """A number with the mark of its bound: >= 1.28, or ? 1.28 if its points are bounds of both
    kinds."""
    return "" if pd.isna(value) else f"{bound} {number(value)}".strip()


def headline_text(headline: pd.DataFrame) -> pd.DataFrame:
    """The mean speedups of :func:`morse.results.headline.headline_table` as text."""
    table = renamed(headline, ["model", "task", "sampler", "method", "extractor", "against"])
    table["speedup"] = rows(
        headline.assign(bound=""), with_interval, "mean_lsd", "mean_lsd_low", "mean_lsd_high", "bound"
    )
    table["speedup wall-clock"] = headline["mean_wall"].map(number)
    table["budgets (LSD)"] = headline["budgets"]
    table["worst difference (standard errors)"] = headline["worst_difference_in_standard_errors"].map(number)
    return table


def timing_text(timings: pd.DataFrame) -> pd.DataFrame:
    """The wall-clocks of :func:`morse.results.timing.timing_table` as text."""
    table = renamed(timings, [*curve_names(timings), "method", "budget", "images", "rounds", "seconds"])
    table["ratio"] = rows(timings.assign(bound=""), with_interval, "ratio", "ratio_low", "ratio_high", "bound")
    table["wall-clock (LSD)"] = timings["wall_lsd"].map(number)
    return table


TEXTS: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], str]] = {
    "runs": (runs_text, "The runs; qualities with their standard errors."),
    "speedup": (speedup_text, "Speedup at equal quality, with 95 % intervals; >= and <= are bounds."),
    "summary": (summary_text, "Mean speedups over the budgets; >= is a lower bound."),
    "headline": (
        headline_text,
        "Mean speedups at equal quality over the budgets before the baseline is flat, against the baseline of the "
        "same sampler (own) and against the best one of any sampler (best).",
    ),
    "timing": (timing_text, "Wall-clock of a batch by each method in turn, and its ratio to that of the baseline."),
    "best_guidance": (best_guidance_text, "The guidance scale with the best quality, for each method and budget."),
    "latency": (latency_text, "Latencies of a call on a batch, and the ratio N with its 95 % interval."),
    "call_costs": (call_costs_text, "Cost of each kind of call in latencies of a Dash call, with its 95 % interval."),
    "summary_by_metric": (summary_text, "Mean speedups by each measure of quality; >= is a lower bound."),
    "claims": (claims_text, "Claims of the paper against our runs; marks: P paper, N notes, R reviews."),
    "paper_speedups": (
        paper_speedups_text,
        "Average speedups by LSD beside those of the paper (arithmetic means), for each cell of its figures; "
        "rows of the scale mini are of small twins; marks: P paper, N notes.",
    ),
    "costs": (costs_text, "Images after which Dot has paid for its training, and memory."),
}
"""Name of a table -> the function that makes its text, and its caption."""


def write_text_tables(table: pd.DataFrame, name: str, md: Path | str, tex: Path | str, page: Path | str) -> None:
    """Writes a table of :data:`TEXTS` as Markdown, LaTeX and HTML, each whole or not at all."""
    make, caption = TEXTS[name]
    text = make(table)
    write_text(markdown(text), md)
    write_text(latex(text, caption, f"tab:{name}"), tex)
    write_text(html(text, caption), page)
