"""Headings of any text fit, and are drawn without a warning (which the settings make an error)."""

import matplotlib
import pytest
from matplotlib.figure import Figure

from morse.report.headings import LINES, MISSING, drawable, heading
from morse.report.style import STYLE

LONG = "a very long prompt of many words, with details of light and lens and mood, " * 5
TEXTS = {
    "long": LONG,
    "wide letters": "WWWW MMMM " * 9,
    "one word": "W" * 200,
    "narrow letters": "il" * 60,
    "emoji": "a cat \N{HOUSE BUILDING} and \N{WOMAN}\N{ZERO WIDTH JOINER}\N{ROCKET} " * 8,
    "Japanese": "\u7f8e\u3057\u3044\u5bb6" * 30,
    "half a character": "a \ud83d b",
    "formula": "costs $5 or $6_x$ \\frac",
    "lines": "a\nb\tc\r\nd",
    "empty": "",
}


@pytest.mark.parametrize("dpi", [72, 100, 150])
@pytest.mark.parametrize("inches", [0.4, 1.0, 2.2])
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_heading_fits_as_drawn(text, inches, dpi):
    shown = heading(text, inches)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(4, 2), dpi=dpi)
        figure.text(0.5, 0.5, shown, ha="center")
        figure.draw_without_rendering()
    assert len(shown.splitlines()) <= LINES
    assert figure.texts[0].get_window_extent().width / dpi <= inches + 0.02


def test_what_is_cut_ends_in_points_and_what_fits_is_whole():
    assert heading(LONG, 2.2).endswith("...") and heading(LONG, 2.2).startswith("a very long prompt")
    assert heading("a red bus in a narrow street", 1.2).replace("\n", " ") == "a red bus in a narrow street"


def test_letters_that_the_font_lacks_are_one_square():
    assert drawable("a \N{ROCKET}\N{SPARKLES} caf\u00e9") == f"a {MISSING} caf\u00e9"
    assert drawable("\u7f8e\u3057 a\nb") == f"{MISSING} a b"
