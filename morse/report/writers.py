"""Tables of text as Markdown, HTML, and LaTeX with booktabs."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import escape

import pandas as pd

LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
    "[": "{[}",  # after the end of a row it would start an optional argument
    ">=": r"$\geq$", "<=": r"$\leq$", "±": r"$\pm$",
}  # fmt: skip
_LATEX_PATTERN = re.compile("|".join(re.escape(text) for text in sorted(LATEX, key=len, reverse=True)))
_NUMBER_PATTERN = re.compile(r"([<>]= )?-?\d[\d.e+-]*( ± .*| \[.*\])?|")
WIDE = 60
"""Characters; a LaTeX column with longer cells breaks its lines."""


def markdown(table: pd.DataFrame) -> str:
    """A table of text as Markdown (GitHub's pipes), with numbers to the right.

    If it has no rows, a line of words.
    """
    if table.empty:
        return "No rows.\n"
    escaped = mapped(table, lambda text: re.sub(r"([\\|*_`])", r"\\\1", text))
    sides = ["right" if side == "r" else "left" for side in sides_of(table)]
    return escaped.to_markdown(index=False, disable_numparse=True, colalign=sides) + "\n"


def latex(table: pd.DataFrame, caption: str, label: str) -> str:
    """A table of text as LaTeX that needs the packages booktabs and longtable.

    Columns with long cells break their lines, and share 0.7 of the line's width equally. If the
    table has no rows, a comment.
    """
    if table.empty:
        return "% No rows.\n"
    sides = sides_of(table)
    wide = [side == "l" and table[name].str.len().max() > WIDE for side, name in zip(sides, table, strict=True)]
    part = f"p{{{0.7 / max(1, sum(wide)):.2f}\\linewidth}}"
    columns = "".join(part if is_wide else side for is_wide, side in zip(wide, sides, strict=True))
    body = mapped(table, latex_escape).to_latex(
        index=False, escape=False, longtable=True, column_format=columns, caption=latex_escape(caption), label=label
    )
    return f"% \\usepackage{{booktabs, longtable}}\n{body}"


def html(table: pd.DataFrame, caption: str) -> str:
    """A table of text as a page of HTML, which Snakemake's report shows.

    If it has no rows, the caption and a line of words.
    """
    rows = "<p>No rows.</p>" if table.empty else table.to_html(index=False, border=0)
    style = "body {font: 14px sans-serif} td, th {padding: 2px 8px; text-align: right; border-bottom: 1px solid #ddd}"
    return f'<!doctype html>\n<meta charset="utf-8">\n<style>{style}</style>\n<p>{escape(caption)}</p>\n{rows}\n'


def latex_escape(text: str) -> str:
    """Text as LaTeX sets it: special characters escaped, ">=" and "<=" as signs."""
    return _LATEX_PATTERN.sub(lambda match: LATEX[match[0]], " ".join(text.split()))


def mapped(table: pd.DataFrame, write: Callable[[str], str]) -> pd.DataFrame:
    """The table with ``write`` applied to headings and cells; each cell is on one line."""
    return table.map(lambda text: write(" ".join(text.split()))).rename(columns=write)


def sides_of(table: pd.DataFrame) -> list[str]:
    """The letter r for each column of numbers, l for the others."""
    return ["r" if table[name].map(lambda text: bool(_NUMBER_PATTERN.fullmatch(text))).all() else "l" for name in table]
