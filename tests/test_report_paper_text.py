"""Average speedups beside the paper's, as text."""

import pandas as pd
import pytest

from morse.report.paper_text import paper_speedups_text, paper_text
from morse.results.paper_speedups import PAPER_SPEEDUP_COLUMNS

NAN = float("nan")


@pytest.mark.parametrize(("low", "high", "cells", "text"), [
    (2.94, 2.94, 1, "2.94 x"), (2.01, 2.94, 5, "2.01 to 2.94 x (5 cells)"), (2.0, 2.0, 6, "about 2 x (6 cells)"),
    (4.0, NAN, 1, "above 4 x"), (NAN, 3.0, 2, "below 3 x (2 cells)"), (NAN, NAN, NAN, ""),
])  # fmt: skip
def test_what_the_paper_states_says_of_how_many_cells(low, high, cells, text):
    assert paper_text(low, high, cells) == text


def test_a_panel_s_words_of_the_paper_are_there_once_and_what_was_not_run_is_empty():
    cell = {"figure": "one", "panel": "DDIM", "model": "big", "task": "birds", "sampler": "ddim", "guidance": "none"}
    paper = {"paper_low": 2.94, "paper_high": 2.94, "paper_cells": 1.0, "id": "mean", "marks": "N"}
    ours = {"scale": "mini", "state": "run", "method": "morse", "metric": "small", "images_of_a_run": 200.0,
            "ratio_measured": 5.6, "budgets_counted": 5.0, "budgets_excluded": 1.0, "geometric_mean": 1.279,
            "geometric_mean_low": 1.12, "geometric_mean_high": 1.52, "arithmetic_mean": 1.31}  # fmt: skip
    rows = [
        cell | paper | {"scale": "paper", "state": "not run"},
        cell | paper | ours | {"band": "all", "bound": ">="},
        cell | paper | ours | {"band": "before saturation", "bound": ""},
        cell | ours | {"band": "all", "method": "other", "bound": ""},
    ]
    text = paper_speedups_text(pd.DataFrame(rows, columns=PAPER_SPEEDUP_COLUMNS))
    assert text["geometric mean"].tolist() == ["", ">= 1.28", "1.28 [1.12, 1.52]", "1.28 [1.12, 1.52]"]
    assert text["arithmetic mean"].tolist() == ["", ">= 1.31", "1.31", "1.31"]
    assert text["the paper's"].tolist() == ["2.94 x", "2.94 x", "", ""]
    assert text["marks"].tolist() == ["N", "N", "", ""]
    numbers = ["images", "N", "budgets", "excluded"]
    assert text.loc[0, [*numbers, "method", "metric", "band", "note"]].tolist() == [""] * 8
    assert text.loc[1, numbers].tolist() == ["200", "5.60", "5", "1"] and text["state"].tolist()[:2] == [
        "not run",
        "run",
    ]
    assert paper_speedups_text(pd.DataFrame(columns=PAPER_SPEEDUP_COLUMNS)).empty
