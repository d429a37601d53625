r"""Tidy tables -> tables to be read: Markdown, HTML, and LaTeX with booktabs.

First the columns that a reader needs become text, errors and intervals beside their numbers and bounds marked (``runs_text`` and its
kin); then a writer sets the text. The CSV files keep every column and digit.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from html import escape

import pandas as pd

LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
    "[": "{[}",  # after the end of a row it would start an optional argument
    ">=": r"$\geq$", "<=": r"$\leq$", "±": r"$\pm$",
}  # fmt: skip
_LATEX_PATTERN = re.compile("|".join(re.escape(text) for text in sorted(LATEX, key=len, reverse=True)))
_NUMBER_PATTERN = re.compile(r"([<>]= )?-?\d[\d.e+-]*( ± .*| \[.*\])?|")
BOUNDS = {"above": ">= ", "below": "<= "}
"""Censoring of a speedup (:func:`morse.results.equal_quality.equal_quality_cost`) -> what stands before its number."""
WIDE = 60
"""Characters from which on a LaTeX column breaks its lines."""


def number(value: float, digits: int = 3) -> str:
    """A number with ``digits`` significant digits, whole numbers whole; the empty string for NaN.

    >>> number(0.012345), number(1234.5), number(50.0), number(float("nan"))
    ('0.0123', '1234', '50', '')
    """
    if pd.isna(value):
        return ""
    if value == 0 or (float(value).is_integer() and abs(value) < 1e15):
        return str(int(value))
    if not math.isfinite(value):
        return str(float(value))
    exponent = math.floor(math.log10(abs(value)))
    if not -5 < exponent < 15:
        return f"{value:.{digits - 1}e}"
    return f"{value:.{max(0, digits - 1 - exponent)}f}"


def with_error(value: float, error: float) -> str:
    """A number and its standard error, both to the error's second digit: 14.27 ± 0.87. Without an error, the number."""
    if pd.isna(value) or pd.isna(error) or error <= 0 or not math.isfinite(error):
        return number(value)
    decimals = max(0, 1 - math.floor(math.log10(error)))
    return f"{value:.{decimals}f} ± {error:.{decimals}f}"


def with_interval(value: float, low: float, high: float, censored: str) -> str:
    """A speedup with its interval, 1.28 [1.12, 1.52]; a censored one as a bound alone, >= 1.28, whose interval says nothing."""
    if censored in BOUNDS and not pd.isna(value):
        return f"{BOUNDS[censored]}{number(value)}"
    return number(value) if pd.isna(low) or pd.isna(high) else f"{number(value)} [{number(low)}, {number(high)}]"


def _rows(table: pd.DataFrame, write: Callable[..., str], *columns: str) -> list[str]:
    """``write`` of these columns in each row."""
    return [write(*values) for values in table[list(columns)].itertuples(index=False)]


def _renamed(table: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """These columns as text, headed without underscores."""
    chosen = {name: table[name] if pd.api.types.is_string_dtype(table[name]) else table[name].map(number) for name in names}
    return pd.DataFrame(chosen).fillna("").rename(columns=lambda name: name.replace("_", " "))


def runs_text(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs (:data:`morse.results.runs.RUN_COLUMNS`) as text, without what only tells where they were made."""
    names = ["model", "task", "sampler", "method", "budget", "seed", "scale", "images", "metric"]
    costs = ["dash_calls", "dot_calls", "ratio_nominal", "ratio_measured", "lsd", "seconds_per_image"]
    quality = pd.DataFrame({"quality": _rows(runs, with_error, "quality", "quality_se")}, index=runs.index)
    return pd.concat([_renamed(runs, names), quality, _renamed(runs, costs)], axis=1)


def speedup_text(speedups: pd.DataFrame) -> pd.DataFrame:
    """The speedups (:data:`morse.results.speedup.SPEEDUP_COLUMNS`) as text; censored ones are marked ">=" or "<="."""
    table = _renamed(speedups, ["model", "task", "sampler", "budget", "scale", "metric", "quality", "baseline_quality", "lsd", "ceiling"])
    table["difference"] = _rows(speedups, with_error, "difference", "difference_se")
    for heading, suffix in (("speedup", ""), ("speedup wall-clock", "_wall")):
        columns = [f"speedup{suffix}{end}" for end in ("", "_low", "_high")]
        table[heading] = _rows(speedups, with_interval, *columns, f"censored{suffix}")
    table["saturated"] = speedups["saturated"].map({True: "yes", False: "no"})
    table["no worse than (LSD)"] = speedups["lossless_budget"].map(number)
    lossless = speedups["lossless_speedup"] > 1.0
    table["lossless speedup"] = speedups["lossless_speedup"].where(lossless).map(number)
    table["lossless speedup wall-clock"] = speedups["lossless_speedup_wall"].where(lossless).map(number)
    return table


def summary_text(summary: pd.DataFrame) -> pd.DataFrame:
    """The means of :func:`morse.results.summary.speedup_summary` as text; lower bounds are marked ">="."""
    table = _renamed(summary, ["model", "task", "sampler", "scale", "metric", "band"])
    for clock, suffix in (("", ""), (" wall-clock", "_wall")):
        for name in ("points", "excluded"):
            table[f"{name}{clock}"] = summary[f"{name}{suffix}"].map(number)
        known = summary.assign(bound=summary[f"lower_bound{suffix}"].map({True: "above", False: ""}), unknown=math.nan)
        interval = [f"geometric_mean_{end}{suffix}" for end in ("low", "high")]
        table[f"geometric mean{clock}"] = _rows(known, with_interval, f"geometric_mean{suffix}", *interval, "bound")
        table[f"arithmetic mean{clock}"] = _rows(known, with_interval, f"arithmetic_mean{suffix}", "unknown", "unknown", "bound")
    return table


def latency_text(latencies: pd.DataFrame) -> pd.DataFrame:
    """The measurements of N (:data:`morse.results.latency.LATENCY_COLUMNS`) as text, of a batch in milliseconds."""
    table = _renamed(latencies, ["model", "scale", "device", "dash_execution", "dot_execution", "batch_size"])
    table["counts"] = latencies["counts"].map({True: "yes", False: ""})
    for network in ("dash", "dot"):
        table[f"{network} (ms)"] = (1000.0 * latencies[f"{network}_seconds"]).map(number)
    no_bound = latencies.assign(bound="")
    table["N"] = _rows(no_bound, with_interval, "ratio", "ratio_low", "ratio_high", "bound")
    table["N by FLOPs"] = latencies["ratio_flops"].map(number)
    sizes = _renamed(latencies, ["dash_gflops", "dot_gflops", "dash_parameters", "dot_parameters", "dot_own_parameters", "memory_format"])
    return pd.concat([table, sizes], axis=1)


def costs_text(costs: pd.DataFrame) -> pd.DataFrame:
    """What Dot costs (:data:`morse.results.costs.COST_COLUMNS`) as text; memory in megabytes."""
    table = _renamed(
        costs, ["model", "task", "sampler", "budget", "scale", "seconds_per_image", "equal_quality_seconds", "training_seconds"]
    )
    table["trained on"] = costs["trained_on"].fillna("")
    # A bound of the speedup from below is one of the images from above.
    turned = costs.assign(bound=costs["censored"].map({"above": "below", "below": "above"}).fillna(""))
    table["pays from image"] = _rows(turned, with_interval, "break_even_images", "break_even_low", "break_even_high", "bound")
    for heading, column in (("memory (MB)", "memory"), ("baseline memory (MB)", "baseline_memory")):
        table[heading] = (costs[column] / 1e6).round().map(number)
    return table


def claims_text(judged: pd.DataFrame) -> pd.DataFrame:
    """The verdicts of :func:`morse.results.claims.judge` as text; what a claim says stands in the first of its rows only."""
    first = ~judged.duplicated("id")
    table = _renamed(judged, ["claim", "marks", "model", "task", "sampler"])
    table["claim"] += [f" (our reading: {reading})" if reading else "" for reading in judged["reading"].fillna("")]
    table[["claim", "marks"]] = table[["claim", "marks"]].where(first, "")
    table["claimed"] = _rows(judged, _claimed, "expected_low", "expected_high", "unit")
    table["verdict"] = judged["verdict"]
    table["ours"] = _rows(judged, _bounded, "ours", "bound")
    table["twin (never the paper's)"] = _rows(judged, _bounded, "twin", "twin_bound")
    table["note"] = judged["note"]
    return table


def _claimed(low: float, high: float, unit: str) -> str:
    """A claim's number or range with its unit, every digit kept."""
    if pd.isna(low) and pd.isna(high):
        return ""
    if pd.isna(low) or pd.isna(high):
        return f"above {low:g} {unit}" if pd.isna(high) else f"below {high:g} {unit}"
    return f"{low:g} {unit}" if low == high else f"{low:g} to {high:g} {unit}"


def _bounded(value: float, bound: str) -> str:
    """A number behind its bound: >= 1.28, or ? 1.28 where its points are bounds of both kinds."""
    return "" if pd.isna(value) else f"{bound} {number(value)}".strip()


def markdown(table: pd.DataFrame) -> str:
    """A table of text as Markdown (GitHub's pipes), numbers to the right; a line of words if it has no rows."""
    if table.empty:
        return "No rows.\n"
    escaped = _mapped(table, lambda text: re.sub(r"([\\|*_`])", r"\\\1", text))
    sides = ["right" if side == "r" else "left" for side in _sides(table)]
    return escaped.to_markdown(index=False, disable_numparse=True, colalign=sides) + "\n"


def latex(table: pd.DataFrame, caption: str, label: str) -> str:
    """A table of text as LaTeX that needs the packages booktabs and longtable; a comment if it has no rows.

    Columns with long cells break their lines, and share the line's width equally.
    """
    if table.empty:
        return "% No rows.\n"
    sides = _sides(table)
    wide = [side == "l" and table[name].str.len().max() > WIDE for side, name in zip(sides, table, strict=True)]
    part = f"p{{{0.7 / max(1, sum(wide)):.2f}\\linewidth}}"
    columns = "".join(part if is_wide else side for is_wide, side in zip(wide, sides, strict=True))
    body = _mapped(table, latex_escape).to_latex(
        index=False, escape=False, longtable=True, column_format=columns, caption=latex_escape(caption), label=label
    )
    return f"% \\usepackage{{booktabs, longtable}}\n{body}"


def html(table: pd.DataFrame, caption: str) -> str:
    """A table of text as a page of HTML, which Snakemake's report shows; its caption alone if it has no rows."""
    rows = "<p>No rows.</p>" if table.empty else table.to_html(index=False, border=0)
    style = "body {font: 14px sans-serif} td, th {padding: 2px 8px; text-align: right; border-bottom: 1px solid #ddd}"
    return f'<!doctype html>\n<meta charset="utf-8">\n<style>{style}</style>\n<p>{escape(caption)}</p>\n{rows}\n'


def latex_escape(text: str) -> str:
    """Text as LaTeX sets it: special characters escaped, ">=" and "<=" as signs."""
    return _LATEX_PATTERN.sub(lambda match: LATEX[match[0]], " ".join(text.split()))


def _mapped(table: pd.DataFrame, write: Callable[[str], str]) -> pd.DataFrame:
    """Headings and cells, each on one line."""
    return table.map(lambda text: write(" ".join(text.split()))).rename(columns=write)


def _sides(table: pd.DataFrame) -> list[str]:
    """The letter r for each column of numbers, l for others."""
    return ["r" if table[name].map(lambda text: bool(_NUMBER_PATTERN.fullmatch(text))).all() else "l" for name in table]


TEXTS = {
    "runs": runs_text, "speedup": speedup_text, "summary": summary_text, "claims": claims_text,
    "latency": latency_text, "costs": costs_text, "summary_by_metric": summary_text,
}  # fmt: skip
"""Table's name -> what makes its text."""
