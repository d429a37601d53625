"""Speedups by each distance, on curves that each distance tells another speedup of."""

import numpy as np
import pytest
from curves import curves, table

from morse.results.speedup import SPEEDUP_COLUMNS, speedup_table
from morse.results.speedup_by_metric import speedups_by_metric
from morse.results.summary import SUMMARY_COLUMNS

GROUPS = 20


def described(value, luck):
    deviation = np.random.default_rng(luck).standard_normal(GROUPS) / 100
    without = value * (1 + deviation - deviation.mean())
    error = np.sqrt((GROUPS - 1) / GROUPS * np.square(without - without.mean()).sum())
    return {"value": value, "standard_error": error, "without_groups": without.tolist()}


def judged(speeds, shift=0.0):
    """Records whose qualities tell a speedup of 1.5, and others of their distances."""
    records = curves(1.5)
    for luck, item in enumerate(records):
        item["quality"] |= described(item["quality"]["value"], 100 + luck)
    for name, speed in speeds.items():
        for luck, (item, other) in enumerate(zip(records, curves(speed), strict=True)):
            found = described(other["quality"]["value"] - shift, luck)
            if name == "second_opinion":
                found["label"] = "FID"
            item.setdefault("metrics", {})[name] = found
    return records


def by_metric(records):
    return speedups_by_metric(table(records), records)


def test_each_distance_tells_its_own_speedup():
    records = judged({"kid": 2.0, "frechet_infinity": 1.2, "second_opinion": 1.8})
    speedups, summary = by_metric(records)
    assert list(speedups) == SPEEDUP_COLUMNS and list(summary) == SUMMARY_COLUMNS
    middle = speedups[speedups["budget"] == 8].set_index("metric")["speedup"]
    expected = {"Fréchet distance": 1.5, "KID": 2.0, "Fréchet distance, infinitely many images": 1.2, "second opinion: FID": 1.8}
    assert dict(middle) == pytest.approx(expected)
    assert set(summary["metric"]) == set(expected) and len(summary) == 2 * len(expected)


def test_intervals_are_of_the_distance_s_own_groups():
    records = judged({"kid": 2.0})
    for item in records:
        item["metrics"]["kid"]["without_groups"] = [item["metrics"]["kid"]["value"]] * GROUPS
    rows = by_metric(records)[0].query("budget == 8").set_index("metric")
    width = np.log(rows["speedup_high"].astype(float) / rows["speedup_low"].astype(float))
    assert width["KID"] == pytest.approx(0.0, abs=1e-9)
    spread = speedup_table(table(records)).query("budget == 8").iloc[0]  # runs with nothing in common, as every luck here is its own
    assert 0.5 < width["Fréchet distance"] / np.log(spread["speedup_high"] / spread["speedup_low"]) < 2.0


def test_the_distance_that_counts_stands_first_and_alone_where_there_is_no_other():
    records = judged({})
    speedups, summary = by_metric(records)
    assert set(speedups["metric"]) == {"Fréchet distance"} and len(speedups) == 5 and len(summary) == 2
    assert np.allclose(speedups["speedup"].astype(float), speedup_table(table(records))["speedup"].astype(float))


def test_points_that_are_not_above_zero_are_left_out():
    least = min(item["quality"]["value"] for item in curves(2.0) if item["node"]["method"] == "baseline")
    records = judged({"kid": 2.0}, shift=least * 1.01)  # the baseline's best is below zero, and so are Morse's last two
    rows = by_metric(records)[0].query("metric == 'KID'")
    assert list(rows["budget"]) == [4, 8, 16] and rows["speedup"].iloc[-1] == pytest.approx(2.0)


def test_seeds_are_averaged_before_a_point_is_left_out():
    """Single seeds of a metric without bias may be below zero; leaving these out alone would be a choice by the outcome."""
    records = judged({"kid": 2.0})
    for seed, sign in ((1, 2.5), (2, -0.5)):  # of the best baseline point: mean of 1, 2.5 and -0.5 is 1
        for item in judged({"kid": 2.0}):
            item = {**item, "node": {**item["node"], "seed": seed}}
            value = item["metrics"]["kid"]["value"] * (sign if item["node"]["method"] == "baseline" else 1.0)
            item["metrics"]["kid"] = described(value, seed)
            records.append(item)
    rows = by_metric(records)[0].query("metric == 'KID' and budget <= 16")
    assert rows["speedup"].astype(float).tolist() == pytest.approx([2.0] * 3)


def test_a_curve_is_flat_where_its_points_are_not_above_zero():
    least = min(item["quality"]["value"] for item in curves(2.0) if item["node"]["method"] == "baseline")
    rows = by_metric(judged({"kid": 2.0}, shift=least * 1.5))[0].query("metric == 'KID'")  # below zero at 64, above at 32
    assert not rows["saturated"].any()
    records = judged({"kid": 2.0})
    for item in records:
        if item["node"]["budget"] >= 32:
            item["metrics"]["kid"] = described(-0.01 if item["node"]["method"] == "baseline" else 0.01, 1)
    rows = by_metric(records)[0].query("metric == 'KID'")
    assert rows["saturated"].tolist() == [False, False, False, True, True]


def test_a_distance_that_leaves_no_baseline_is_left_out():
    records = judged({"kid": 2.0})
    for item in records:
        if item["node"]["method"] == "baseline":
            item["metrics"]["kid"]["value"] = -1.0
    assert set(by_metric(records)[0]["metric"]) == {"Fréchet distance"}


def test_baselines_alone_make_empty_tables():
    records = [item for item in judged({"kid": 2.0}) if item["node"]["method"] == "baseline"]
    speedups, summary = by_metric(records)
    assert speedups.empty and summary.empty and list(speedups) == SPEEDUP_COLUMNS and list(summary) == SUMMARY_COLUMNS
