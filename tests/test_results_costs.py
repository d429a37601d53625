"""What Dot costs, from numbers that can be followed by hand."""

import numpy as np
import pandas as pd
import pytest

from morse.report.text_tables import costs_text
from morse.results.costs import COST_COLUMNS, cost_table
from morse.results.latency import LATENCY_COLUMNS, latency_table
from morse.results.runs import RUN_COLUMNS
from morse.results.speedup import SPEEDUP_COLUMNS

KEY = {"model": "twin", "task": "shapes", "sampler": "ddim"}
TRAINING = {"twin": {"seconds": 1000.0, "hardware": "a GPU"}}


def tables(speedup=2.0, censored=""):
    runs = [
        KEY
        | {"method": method, "budget": 10, "seed": seed, "seconds_per_image": 0.5 + 0.1 * seed, "memory": memory + seed, "device": "cpu"}
        for method, memory in (("baseline", 100.0), ("morse", 150.0))
        for seed in (0, 1)
    ]
    speedups = [KEY | {"budget": 10, "scale": "mini", "speedup_wall": speedup, "censored_wall": censored}]
    speedups[0] |= {"speedup_wall_low": 0.9 * speedup, "speedup_wall_high": 1.1 * speedup}
    return pd.DataFrame(runs, columns=RUN_COLUMNS), pd.DataFrame(speedups, columns=SPEEDUP_COLUMNS)


def test_dot_has_paid_when_the_seconds_saved_are_those_of_its_training():
    row = cost_table(*tables(), TRAINING).iloc[0]
    assert (row["seconds_per_image"], row["equal_quality_seconds"]) == pytest.approx((0.55, 1.1))
    assert row["break_even_images"] == np.ceil(1000.0 / 0.55)
    assert (row["break_even_low"], row["break_even_high"]) == (np.ceil(1000.0 / 0.55 / 1.2), np.ceil(1000.0 / 0.55 / 0.8))
    assert (row["trained_on"], row["sampled_on"]) == ("a GPU", "cpu")
    assert (row["memory"], row["baseline_memory"]) == (151.0, 101.0)


@pytest.mark.parametrize("speedup", [0.9, 1.0])
def test_what_saves_nothing_never_pays_but_might(speedup):
    row = cost_table(*tables(speedup), TRAINING).iloc[0]
    assert row["break_even_images"] == np.inf == row["break_even_high"]
    assert (row["break_even_low"] == np.inf) == (speedup == 0.9)  # 1.1 times that is below 1 still


@pytest.mark.parametrize(
    ("speedup", "censored", "images", "text"),
    [(2.0, "above", 1819.0, "<= 1819"), (2.0, "below", 1819.0, ">= 1819"), (0.9, "above", np.nan, ""), (np.nan, np.nan, np.nan, "")],
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


def test_latency_has_a_row_for_each_measurement():
    made = {
        "dash_execution": "eager",
        "dot_execution": "compiled",
        "dash_seconds": 0.6,
        "dot_seconds": 0.1,
        "ratio": 6.0,
        "ratio_interval": [5.9, 6.2],
        "threads": 2,
    }
    record = {
        "model": "twin", "scale": "mini", "ratio": 6.0, "measurements": [made | {"batch_size": 100}, made | {"batch_size": 20}],
        "flops": {"dash": 14_000_000, "dot": 2_000_000}, "parameters": {"dash": 50, "dot": 55, "dot_own": 10},
        "memory_format": "channels_last", "provenance": {"device": "a processor"},
    }  # fmt: skip
    table = latency_table([record])
    assert list(table.columns) == LATENCY_COLUMNS and table["batch_size"].tolist() == [20, 100]
    row = table.iloc[0]
    assert (row["ratio"], row["ratio_low"], row["ratio_high"], row["ratio_flops"]) == (6.0, 5.9, 6.2, 7.0)
    assert (row["dash_gflops"], row["dot_parameters"], row["dot_own_parameters"], row["device"]) == (0.014, 55, 10, "a processor")
    assert (row["dash_execution"], row["dot_execution"], row["threads"]) == ("eager", "compiled", 2)
    assert row["memory_format"] == "channels_last"
