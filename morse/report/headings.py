"""Text of a user, such as a prompt, as a heading that fits: in lines, shortened, in letters that
the font has."""

from __future__ import annotations

import textwrap

import matplotlib
from matplotlib.font_manager import FontProperties, findfont, get_font

from morse.report.style import STYLE

LINES = 3
"""A heading has at most as many. What is cut ends in three points."""

MISSING = "\N{WHITE SQUARE}"
"""Stands for letters that the font lacks, such as emoji: one for several in a row."""

ROUNDING = 1.06
"""Letters are drawn in whole pixels, which can widen a line so much."""


def heading(text: str, inches: float) -> str:
    """The text in at most :data:`LINES` lines that are at most so wide."""
    text = drawable(text)
    for width in range(max(3, int(inches / 0.03)), 2, -1):  # letters in a line: no letter is narrower
        lines = textwrap.wrap(text, width, max_lines=LINES, placeholder="...")
        if all(ROUNDING * width_of(line) <= inches for line in lines):
            break
    return "\n".join(lines)


def drawable(text: str) -> str:
    """The text in a line, with :data:`MISSING` for what the font lacks."""
    font, letters = get_font(findfont(FontProperties())), ""
    missing = MISSING if font.get_char_index(ord(MISSING)) else "?"
    for letter in " ".join(text.split()):
        if font.get_char_index(ord(letter)):
            letters += letter
        elif not letters.endswith(missing):
            letters += missing
    return letters


def width_of(line: str) -> float:
    """The width in inches of a line of :func:`drawable` letters, in the size of figures' text."""
    with matplotlib.rc_context(STYLE):
        font = get_font(findfont(FontProperties()))
        font.set_size(STYLE["font.size"], 72)
        font.set_text(line)
    return font.get_width_height()[0] / 64 / 72  # of 64ths of a point
