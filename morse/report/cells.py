"""What tables of text share: numbers as text, with errors, intervals and bounds."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import pandas as pd

from morse.experiments.axes import UNGUIDED
from morse.results.runs import CURVE

BOUNDS = {"above": ">= ", "below": "<= "}
"""Censoring of a speedup (:func:`morse.results.equal_quality.equal_quality_cost`) -> the mark
before its number."""


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
    """A number and its standard error, both to the error's second digit: 14.27 ± 0.87.

    Without an error, the number alone.
    """
    if pd.isna(value) or pd.isna(error) or error <= 0 or not math.isfinite(error):
        return number(value)
    decimals = max(0, 1 - math.floor(math.log10(error)))
    return f"{value:.{decimals}f} ± {error:.{decimals}f}"


def with_interval(value: float, low: float, high: float, censored: str) -> str:
    """A speedup with its interval: 1.28 [1.12, 1.52].

    A censored one is a bound alone, >= 1.28, as its interval says nothing.
    """
    if censored in BOUNDS and not pd.isna(value):
        return f"{BOUNDS[censored]}{number(value)}"
    return number(value) if pd.isna(low) or pd.isna(high) else f"{number(value)} [{number(low)}, {number(high)}]"


def rows(table: pd.DataFrame, write: Callable[..., str], *columns: str) -> list[str]:
    """Text for each row: ``write`` applied to these columns of it."""
    return [write(*values) for values in table[list(columns)].itertuples(index=False)]


def curve_names(table: pd.DataFrame) -> list[str]:
    """The columns that name a curve, without guidance where no model takes any."""
    unguided = table["guidance"].isin(["", UNGUIDED]).all()
    return [name for name in CURVE if name != "guidance" or not unguided]


def renamed(table: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """These columns as text, with headings without underscores. Missing values are empty."""
    chosen = {
        name: table[name] if pd.api.types.is_string_dtype(table[name]) else table[name].map(number) for name in names
    }
    return pd.DataFrame(chosen).fillna("").rename(columns=lambda name: name.replace("_", " "))


def claimed(low: float, high: float, unit: str) -> str:
    """A claim's number or range with its unit, every digit kept."""
    if pd.isna(low) and pd.isna(high):
        return ""
    if pd.isna(low) or pd.isna(high):
        return f"above {low:g} {unit}" if pd.isna(high) else f"below {high:g} {unit}"
    return f"{low:g} {unit}" if low == high else f"{low:g} to {high:g} {unit}"
