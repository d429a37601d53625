"""Speedups by each distance, on curves that each distance tells another speedup of."""

import numpy as np
import pandas as pd
import pytest
from curves import curve, curves, measured, table

from morse.results.speedup import SPEEDUP_COLUMNS, speedup_table
from morse.results.speedup_by_metric import speedups_by_metric
from morse.results.summary import SUMMARY_COLUMNS

GROUPS = 20


def described(value, luck):
    deviation = np.random.default_rng(luck).standard_normal(GROUPS) / 100
    without = value * (1 + deviation - deviation.mean())
    error = np.sqrt((GROUPS - 1) / GROUPS * np.square(without - without.mean()).sum())
    return {"value": value, "standard_error": error, "without_groups": without.tolist()}


def judged(speeds, shift=0.0, wide=None):
    """Records whose qualities tell a speedup of 1.5, and others of their distances.

    Args:
        speeds: column -> the speedup by it, of the first extractor, which is called "small".
        wide: the same of one more extractor, "wide".
    """
    records = curves(1.5)
    for luck, item in enumerate(records):
        item["quality"] |= described(item["quality"]["value"], 100 + luck)
        item["metrics"] = measured({}) | ({} if wide is None else measured({}, "wide", "FID", "wide/1"))
    for extractor, by_column in (("small", speeds), ("wide", wide or {})):
        for column, speed in by_column.items():
            for luck, (item, other) in enumerate(zip(records, curves(speed), strict=True)):
                item["metrics"][extractor]["metrics"][column] = described(other["quality"]["value"] - shift, luck)
    return records


def kid_of(item):
    return item["metrics"]["small"]["metrics"]["kid"]


def by_metric(records):
    return speedups_by_metric(table(records), records)


def test_each_distance_tells_its_own_speedup():
    speedups, summary = by_metric(judged({"kid": 2.0, "frechet_infinity": 1.2}))
    assert list(speedups) == SPEEDUP_COLUMNS and list(summary) == SUMMARY_COLUMNS
    middle = speedups[speedups["budget"] == 8].set_index("metric")["speedup"]
    expected = {"Fréchet distance": 1.5, "KID": 2.0, "Fréchet distance, infinitely many images": 1.2}
    assert dict(middle) == pytest.approx(expected) and set(speedups["method"]) == {"morse"}
    assert set(summary["metric"]) == set(expected) and len(summary) == 2 * len(expected)


def test_distances_by_further_extractors_tell_their_own_speedups():
    """The Fréchet distance bears the extractor's caption, KID its name in brackets."""
    records = judged({"kid": 2.0}, wide={"frechet": 1.8, "kid": 1.3, "frechet_infinity": 1.1})
    speedups, summary = by_metric(records)
    middle = speedups[speedups["budget"] == 8].set_index("metric")["speedup"]
    expected = {"Fréchet distance": 1.5, "KID": 2.0, "FID": 1.8, "KID (wide)": 1.3, "FID, infinitely many images": 1.1}
    assert dict(middle) == pytest.approx(expected)
    assert set(summary["metric"]) == set(expected) and len(summary) == 2 * len(expected)
    for (_, budget), rows in speedups.groupby(["method", "budget"]):
        qualities = table(records).set_index(["method", "budget"]).loc[("morse", budget)]
        by_name = rows.set_index("metric")["quality"]
        assert (by_name["FID"], by_name["KID (wide)"]) == (qualities["frechet_wide"], qualities["kid_wide"])
        assert (by_name["Fréchet distance"], by_name["KID"]) == (qualities["quality"], qualities["kid"])


def test_an_extractor_may_have_judged_a_part_of_the_runs():
    """As where another task names no second extractor."""
    records = judged({"kid": 2.0}, wide={"frechet": 1.8})
    elsewhere = [item | {"run": item["run"] | {"task": "faces"}} for item in judged({"kid": 1.2})]
    speedups, _ = by_metric(records + elsewhere)
    found = speedups[speedups["budget"] == 8].set_index(["task", "metric"])["speedup"]
    expected = {("shapes", "Fréchet distance"): 1.5, ("shapes", "KID"): 2.0, ("shapes", "FID"): 1.8}
    assert dict(found) == pytest.approx(expected | {("faces", "Fréchet distance"): 1.5, ("faces", "KID"): 1.2})


def test_the_first_extractor_of_each_task_is_the_one_that_counts():
    """The other task's first extractor is "wide", so that KID by it has no brackets there."""
    elsewhere = judged({"kid": 1.2})
    for item in elsewhere:
        item["run"]["task"] = "faces"
        item["quality"] |= {"extractor_name": "wide", "extractor": "wide/1", "label": "FID"}
        item["metrics"] = measured(item["metrics"]["small"]["metrics"], "wide", "FID", "wide/1")
    speedups, _ = by_metric(judged({"kid": 2.0}, wide={"frechet": 1.8, "kid": 1.3}) + elsewhere)
    found = speedups[speedups["budget"] == 8].set_index(["task", "metric"])["speedup"]
    shapes = {"Fréchet distance": 1.5, "KID": 2.0, "FID": 1.8, "KID (wide)": 1.3}
    expected = {("shapes", metric): speed for metric, speed in shapes.items()}
    assert dict(found) == pytest.approx(expected | {("faces", "FID"): 1.5, ("faces", "KID"): 1.2})


def test_every_method_has_its_own_speedup_by_each_distance():
    records = judged({"kid": 2.0})
    others = curve("other", 1.2)
    for luck, (item, by_kid) in enumerate(zip(others, curve("other", 1.4), strict=True)):
        item["quality"] |= described(item["quality"]["value"], 200 + luck)
        item["metrics"] = measured({"kid": described(by_kid["quality"]["value"], 300 + luck)})
    speedups, summary = by_metric(records + others)
    found = speedups[speedups["budget"] == 8].set_index(["method", "metric"])["speedup"]
    expected = {("morse", "Fréchet distance"): 1.5, ("morse", "KID"): 2.0}
    expected |= {("other", "Fréchet distance"): 1.2, ("other", "KID"): 1.4}
    assert dict(found) == pytest.approx(expected) and len(summary) == 2 * len(expected)
    alone, _ = by_metric(records)
    pd.testing.assert_frame_equal(speedups[speedups["method"] == "morse"].reset_index(drop=True), alone)


def test_intervals_are_of_the_distance_s_own_groups():
    records = judged({"kid": 2.0})
    for item in records:
        kid_of(item)["without_groups"] = [kid_of(item)["value"]] * GROUPS
    rows = by_metric(records)[0].query("budget == 8").set_index("metric")
    width = np.log(rows["speedup_high"].astype(float) / rows["speedup_low"].astype(float))
    assert width["KID"] == pytest.approx(0.0, abs=1e-9)
    spread = speedup_table(table(records)).query("budget == 8").iloc[0]  # of runs with nothing in common, as these are
    assert 0.5 < width["Fréchet distance"] / np.log(spread["speedup_high"] / spread["speedup_low"]) < 2.0


def test_the_distance_that_counts_stands_first_and_alone_where_there_is_no_other():
    records = judged({})
    speedups, summary = by_metric(records)
    assert set(speedups["metric"]) == {"Fréchet distance"} and len(speedups) == 5 and len(summary) == 2
    assert np.allclose(speedups["speedup"].astype(float), speedup_table(table(records))["speedup"].astype(float))


def test_points_that_are_not_above_zero_are_left_out():
    least = min(item["quality"]["value"] for item in curves(2.0) if item["run"]["method"] == "baseline")
    records = judged({"kid": 2.0}, shift=least * 1.01)  # the baseline's best is below zero, and so are Morse's last two
    rows = by_metric(records)[0].query("metric == 'KID'")
    assert list(rows["budget"]) == [4, 8, 16] and rows["speedup"].iloc[-1] == pytest.approx(2.0)


def test_seeds_are_averaged_before_a_point_is_left_out():
    """Single seeds of a metric without bias may be below zero.

    To leave these out alone would be a choice by the outcome.
    """
    records = judged({"kid": 2.0})
    for seed, sign in ((1, 2.5), (2, -0.5)):  # of the best baseline point: mean of 1, 2.5 and -0.5 is 1
        for item in judged({"kid": 2.0}):
            value = kid_of(item)["value"] * (sign if item["run"]["method"] == "baseline" else 1.0)
            kid_of(item).update(described(value, seed))
            records.append(item | {"run": item["run"] | {"seed": seed}})
    rows = by_metric(records)[0].query("metric == 'KID' and budget <= 16")
    assert rows["speedup"].astype(float).tolist() == pytest.approx([2.0] * 3)


def test_a_curve_is_flat_where_its_points_are_not_above_zero():
    least = min(item["quality"]["value"] for item in curves(2.0) if item["run"]["method"] == "baseline")
    records = judged({"kid": 2.0}, shift=least * 1.5)  # below zero at 64 LSD, above at 32
    rows = by_metric(records)[0].query("metric == 'KID'")
    assert not rows["saturated"].any()
    records = judged({"kid": 2.0})
    for item in records:
        if item["run"]["budget"] >= 32:
            kid_of(item).update(described(-0.01 if item["run"]["method"] == "baseline" else 0.01, 1))
    rows = by_metric(records)[0].query("metric == 'KID'")
    assert rows["saturated"].tolist() == [False, False, False, True, True]


def test_a_distance_that_leaves_no_baseline_is_left_out():
    records = judged({"kid": 2.0})
    for item in records:
        if item["run"]["method"] == "baseline":
            kid_of(item)["value"] = -1.0
    assert set(by_metric(records)[0]["metric"]) == {"Fréchet distance"}


def test_baselines_alone_make_empty_tables():
    records = [item for item in judged({"kid": 2.0}) if item["run"]["method"] == "baseline"]
    speedups, summary = by_metric(records)
    assert speedups.empty and summary.empty and list(speedups) == SPEEDUP_COLUMNS and list(summary) == SUMMARY_COLUMNS
