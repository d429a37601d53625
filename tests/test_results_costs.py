"""What Dot costs, from numbers that can be followed by hand."""

import numpy as np
import pandas as pd
import pytest
from curves import add_method

from morse.report.text_tables import costs_text
from morse.results.costs import COST_COLUMNS, cost_table
from morse.results.runs import RUN_COLUMNS
from morse.results.speedup import SPEEDUP_COLUMNS

KEY = {"model": "twin", "task": "shapes", "sampler": "ddim", "guidance": "none"}
TRAINING = {"twin": {"seconds": 1000.0, "hardware": "a GPU"}}


def tables(speedup=2.0, censored="", methods=("morse",)):
    """Runs of two seeds at 10 LSD, and speedups; an image by "other" takes 0.1 s longer."""
    runs = [
        KEY
        | {"method": method, "budget": 10, "seed": seed, "device": "cpu"}
        | {"seconds_per_image": 0.5 + 0.1 * seed + 0.1 * (method == "other"), "memory": 100.0 + 50.0 * place + seed}
        for place, method in enumerate(("baseline", *methods))
        for seed in (0, 1)
    ]
    speedups = [
        KEY
        | {"method": method, "budget": 10, "scale": "mini", "speedup_wall": speedup, "censored_wall": censored}
        | {"speedup_wall_low": 0.9 * speedup, "speedup_wall_high": 1.1 * speedup}
        for method in methods
    ]
    return pd.DataFrame(runs, columns=RUN_COLUMNS), pd.DataFrame(speedups, columns=SPEEDUP_COLUMNS)


def test_dot_has_paid_when_the_seconds_saved_are_those_of_its_training():
    table = cost_table(*tables(), TRAINING)
    row = table.iloc[0]
    assert list(table.columns) == COST_COLUMNS and row["method"] == "morse"
    assert (row["seconds_per_image"], row["equal_quality_seconds"]) == pytest.approx((0.55, 1.1))
    assert row["break_even_images"] == np.ceil(1000.0 / 0.55)
    assert row["break_even_low"] == np.ceil(1000.0 / 0.55 / 1.2)
    assert row["break_even_high"] == np.ceil(1000.0 / 0.55 / 0.8)
    assert (row["trained_on"], row["sampled_on"]) == ("a GPU", "cpu")
    assert (row["memory"], row["baseline_memory"]) == (151.0, 101.0)


def test_every_method_has_its_own_costs_beside_the_same_baseline(monkeypatch):
    add_method(monkeypatch)
    table = cost_table(*tables(methods=("morse", "other")), TRAINING)
    assert table["method"].tolist() == ["morse", "other"]
    pd.testing.assert_frame_equal(table.iloc[:1], cost_table(*tables(), TRAINING))
    other = table.iloc[1]
    assert (other["seconds_per_image"], other["equal_quality_seconds"]) == pytest.approx((0.65, 1.3))
    assert other["break_even_images"] == np.ceil(1000.0 / 0.65)
    assert (other["memory"], other["baseline_memory"]) == (201.0, 101.0)


def test_a_method_without_dot_has_no_training_to_pay_for(monkeypatch):
    add_method(monkeypatch, networks=("dash",))
    morse, other = cost_table(*tables(methods=("morse", "other")), TRAINING).to_dict("records")
    assert other["equal_quality_seconds"] == pytest.approx(1.3) and other["memory"] == 201.0
    assert pd.isna(other["trained_on"])
    blank = ("training_seconds", "break_even_images", "break_even_low", "break_even_high")
    assert all(np.isnan(other[name]) for name in blank)
    assert (morse["training_seconds"], morse["trained_on"]) == (1000.0, "a GPU")


@pytest.mark.parametrize("speedup", [0.9, 1.0])
def test_what_saves_nothing_never_pays_but_might(speedup):
    row = cost_table(*tables(speedup), TRAINING).iloc[0]
    assert row["break_even_images"] == np.inf == row["break_even_high"]
    assert (row["break_even_low"] == np.inf) == (speedup == 0.9)  # 1.1 times that is below 1 still


@pytest.mark.parametrize(
    ("speedup", "censored", "images", "text"),
    [
        (2.0, "above", 1819.0, "<= 1819"),
        (2.0, "below", 1819.0, ">= 1819"),
        (0.9, "above", np.nan, ""),
        (np.nan, np.nan, np.nan, ""),
    ],
)
def test_bounds_of_the_speedup_are_bounds_of_the_images(speedup, censored, images, text):
    table = cost_table(*tables(speedup, censored), TRAINING)
    np.testing.assert_equal(table["break_even_images"][0], images)
    assert np.isnan(table["break_even_low"][0])
    assert costs_text(table)["pays from image"].tolist() == [text]


def test_an_unknown_training_leaves_blanks():
    row = cost_table(*tables(), {}).iloc[0]
    assert np.isnan(row["break_even_images"]) and row["equal_quality_seconds"] == pytest.approx(1.1)


def test_without_morse_there_are_no_costs():
    runs, speedups = tables()
    assert list(cost_table(runs, speedups.iloc[:0], {}).columns) == COST_COLUMNS
