"""Tables and speedups against synthetic curves whose speedup is known."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from morse.results import (
    CURVE,
    RUN_COLUMNS,
    SPEEDUP_COLUMNS,
    average_seeds,
    check_one_code,
    equal_quality_cost,
    runs_table,
    saturation,
    speedup_summary,
    speedup_table,
)

RATIO = 8.0
LATENCIES = {"twin": {"model": "twin", "ratio": RATIO}}


def record(method="baseline", budget=10, seed=0, dash=None, dot=0, quality=1.0, se=0.01, seconds=None, **changes):
    """One node's record; ``changes`` replace entries of its parts by name."""
    node = {"model": "twin", "task": "shapes", "sampler": "ddim", "method": method, "budget": budget, "seed": seed}
    dash = budget if dash is None else dash
    made = {
        "node": node,
        "scale": "mini",
        "images": 100,
        "calls": {"dash": dash, "dot": dot},
        "ratio": None if method == "baseline" else RATIO,
        "seconds": 0.5 * (dash + dot / RATIO) if seconds is None else seconds,
        "memory": 7_000_000,
        "quality": {"name": "frechet", "label": "Fréchet distance", "extractor": "small", "value": quality, "standard_error": se,
                    "reference": "aa"},
        "provenance": {"commit": "c0ffee", "dirty": False, "device": "cpu", "code": "v1"},
    }  # fmt: skip
    for part in (made, *(value for value in made.values() if isinstance(value, dict))):
        part.update({key: value for key, value in changes.items() if key in part})
    return made


def power_law(cost):
    return 40.0 * np.asarray(cost) ** -0.9


def curves(speed, budgets=(4, 8, 16, 32, 64), seeds=(0,), se=0.0, noise=0.0):
    """Baseline on the power law; Morse reaches at each cost what the baseline does at ``speed`` times that cost."""
    rng = np.random.default_rng(7)
    records = []
    for seed in seeds:
        for budget in budgets:
            factors = np.exp(noise * rng.standard_normal(2))
            records.append(record("baseline", budget, seed, quality=power_law(budget) * factors[0], se=se * power_law(budget)))
            quality = power_law(speed * budget)
            records.append(record("morse", budget, seed, budget // 2, int(RATIO) * budget // 2, quality * factors[1], se * quality))
    return records


def table(records):
    return runs_table(records, LATENCIES)


def test_runs_table_is_sorted_and_has_both_costs():
    runs = runs_table([record("morse", 10, 1, 4, 40), record(seed=1), record(seed=0)], {"twin": {"ratio": 10.0}})
    assert list(runs.columns) == RUN_COLUMNS
    assert list(zip(runs["method"], runs["seed"], strict=True)) == [("baseline", 0), ("baseline", 1), ("morse", 1)]
    morse = runs.iloc[2]
    assert (morse["lsd"], morse["lsd_nominal"]) == (4 + 40 / 10.0, 4 + 40 / RATIO)
    assert morse["seconds_per_image"] == morse["seconds"] / 100
    assert runs["ratio_nominal"].isna().tolist() == [True, True, False]
    assert runs["metric"].unique() == ["Fréchet distance"]


def test_metrics_beside_the_distance_are_columns():
    found = {"kid": {"value": 0.1, "standard_error": 0.01}, "recall": {"value": 0.7, "standard_error": None}}
    first, second = table([record(budget=5) | {"metrics": found}, record(budget=6)]).to_dict("records")
    assert (first["kid"], first["kid_se"], first["recall"]) == (0.1, 0.01, 0.7)
    assert np.isnan(second["kid"]) and np.isnan(first["coverage"])


def test_a_dirty_tree_shows_in_the_commit():
    assert table([record(dirty=True)])["commit"][0] == "c0ffee-dirty"


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([record(), record()], "more than one record of the node: .*method=baseline budget=10 seed=0"),
        ([record("morse", 10, 0, 6, 33)], "over its nominal budget: .*method=morse"),
        ([record("baseline", 10, 0, 11)], "over its nominal budget"),
        ([record(), record(seed=1, extractor="large")], "twin on shapes: runs differ in extractor: large, small"),
        ([record(), record(seed=1, reference="bb")], "differ in reference: aa, bb"),
        ([record(), record(seed=1, images=200)], "differ in images: 100, 200"),
        ([record(), record(seed=1, scale="paper")], "differ in scale"),
        ([record(quality=float("nan"))], "not a positive number"),
        ([record(se=None)], "not a positive number"),
        ([record("baseline", 10, 0, 5, 5)], "without the ratio N"),
        ([record("morse", 10, 0, 6, 32, model="other")], "no measured latency of other"),
    ],
)
def test_runs_that_cannot_be_compared_raise_one_line(records, message):
    with pytest.raises(ValueError, match=message) as error:
        table(records)
    assert "\n" not in str(error.value)


def test_a_budget_spent_to_the_last_call_is_within_it():
    assert table([record("morse", 10, 0, 6, 32)])["lsd_nominal"][0] == 10


def test_other_models_may_have_other_extractors():
    assert len(table([record(), record(task="faces", extractor="large")])) == 2


def test_code_of_two_versions_is_a_warning():
    assert check_one_code(table([record(), record(seed=1)])) == ""
    assert check_one_code(table([record(), record(seed=1, code="v2")])) == "runs of 2 versions of the library: v1 (1 runs), v2 (1 runs)"


def test_seeds_are_averaged_with_the_error_of_their_spread():
    runs = table([record(seed=0, quality=1.0, se=0.5), record(seed=1, quality=3.0, seconds=7.0), record(budget=5, quality=4.0, se=0.25)])
    five, ten = average_seeds(runs).to_dict("records")
    assert (five["quality"], five["quality_se"], five["n_seeds"]) == (4.0, 0.25, 1)
    assert (ten["quality"], ten["n_seeds"]) == (2.0, 2)
    assert ten["quality_se"] == pytest.approx(1.0)  # deviation sqrt(2) of two values, over sqrt(2)
    assert ten["seconds_per_image"] == pytest.approx((5.0 + 7.0) / 2 / 100)


def test_equal_quality_cost_inverts_a_power_law_between_its_points():
    cost = [3, 10, 30, 100]
    found = equal_quality_cost(cost[::-1], power_law(cost[::-1]), power_law(17.0))
    assert found.cost == pytest.approx(17.0, rel=1e-12)
    assert found.censored == ""


@pytest.mark.parametrize(("target", "cost", "censored"), [(9.0, 5, ""), (9.1, 5, "below"), (2.0, 50, ""), (1.9, 50, "above")])
def test_equal_quality_cost_is_censored_outside_the_curve(target, cost, censored):
    found = equal_quality_cost([5, 50], [9.0, 2.0], target)
    assert (found.cost, found.censored) == (pytest.approx(cost), censored)


def test_a_curve_that_rises_counts_with_its_running_minimum():
    cost, quality = [1, 2, 4, 8, 16], [8.0, 4.0, 6.0, 2.0, 3.0]
    assert equal_quality_cost(cost, quality, 4.0).cost == pytest.approx(2)  # first reached at 2, whatever comes at 4
    assert equal_quality_cost(cost, quality, 5.0).cost < 2
    assert equal_quality_cost(cost, quality, np.sqrt(8.0)).cost == pytest.approx(np.sqrt(32))  # from (4, 4) to (8, 2)
    above = equal_quality_cost(cost, quality, 1.0)
    assert (above.cost, above.censored) == (pytest.approx(8), "above")  # 16 improved nothing: no part of the bound


@pytest.mark.parametrize("speed", [1.0, 1.7, 2.5])
def test_speedup_of_a_known_curve(speed):
    speedups = speedup_table(table(curves(speed)))
    assert list(speedups.columns) == SPEEDUP_COLUMNS
    inside = speedups[speedups["lsd"] * speed <= 64 * (1 - 1e-9)]
    assert len(inside) >= 3
    for clock in ("speedup", "speedup_wall"):
        np.testing.assert_allclose(inside[clock], speed, rtol=1e-9)
        np.testing.assert_allclose(inside[f"{clock}_low"], inside[f"{clock}_high"], rtol=1e-9)  # no error in, none out
    assert (inside["censored"] == "").all()
    assert (inside["difference"] <= 0).all()


def test_speedups_outside_the_overlap_are_bounds():
    fast = speedup_table(table(curves(2.5))).iloc[-1]
    assert (fast["censored"], fast["speedup"]) == ("above", pytest.approx(64 / fast["lsd"]))
    slow = speedup_table(table(curves(0.5))).iloc[0]
    assert (slow["censored_wall"], slow["speedup"]) == ("below", pytest.approx(4 / slow["lsd"]))


def test_clocks_differ_where_calls_and_seconds_do():
    records = curves(2.0)
    for item in records:
        if item["node"]["method"] == "morse":
            item["seconds"] *= 1.25
    speedups = speedup_table(table(records)).iloc[:3]
    np.testing.assert_allclose(speedups["speedup"], 2.0, rtol=1e-9)
    np.testing.assert_allclose(speedups["speedup_wall"], 1.6, rtol=1e-9)


def test_wall_clocks_of_two_devices_are_not_compared():
    records = curves(2.0)
    records[0]["provenance"]["device"] = "another"
    speedups = speedup_table(table(records))
    assert speedups["speedup_wall"].isna().all()
    assert speedups["speedup"].notna().all()
    assert (speedup_summary(speedups)["points_wall"] == 0).all()


def test_interval_holds_the_truth_and_shrinks_with_the_error():
    width = {}
    for se in (0.08, 0.02):
        middle = speedup_table(table(curves(1.5, se=se))).iloc[1:3]
        assert ((middle["speedup_low"] < 1.5) & (1.5 < middle["speedup_high"])).all()
        width[se] = (np.log(middle["speedup_high"] / middle["speedup_low"])).mean()
    assert width[0.02] == pytest.approx(width[0.08] / 4, rel=0.2)
    # Both curves' errors in log cost, half of the way between two points: se / 0.9 * sqrt(1 + 2 / 4).
    assert width[0.02] == pytest.approx(2 * 1.96 * 0.02 / 0.9 * np.sqrt(1.5), rel=0.15)


def test_interval_covers_the_truth_about_as_often_as_it_says():
    hits = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        records = curves(1.5, se=0.03)
        for item in records:
            item["quality"]["value"] *= np.exp(0.03 * rng.standard_normal())
        middle = speedup_table(table(records)).iloc[1:3]
        hits += ((middle["speedup_low"] < 1.5) & (1.5 < middle["speedup_high"])).tolist()
    assert np.mean(hits) > 0.88


def test_intervals_do_not_depend_on_the_other_curves():
    alone = curves(1.5, se=0.02)
    others = [{**item, "node": {**item["node"], "model": "twin", "sampler": "a-first"}} for item in curves(2.0, se=0.05)]
    both = speedup_table(table(alone + others))
    pd.testing.assert_frame_equal(both[both["sampler"] == "ddim"].reset_index(drop=True), speedup_table(table(alone)))


def test_differences_are_paired_over_the_seeds_that_both_have():
    shift = {0: 1.0, 1: 5.0, 2: 9.0}  # a common effect of the seed that pairing takes out
    records = [record("baseline", 10, seed, quality=10 + shift[seed]) for seed in shift]
    records += [record("morse", 10, seed, 5, 40, quality=8 + shift[seed] + 0.1 * (seed == 1)) for seed in shift]
    row = speedup_table(table(records)).iloc[0]
    assert row["difference"] == pytest.approx(-2 + 0.1 / 3)
    assert row["difference_se"] == pytest.approx(0.1 / 3)
    single = speedup_table(table([records[0] | {}, record("morse", 10, 7, 5, 40, quality=8.0, se=0.03)])).iloc[0]
    assert single["difference"] == pytest.approx(8.0 - 11.0)
    assert single["difference_se"] == pytest.approx(np.hypot(0.03, 0.01))


def test_a_budget_without_baseline_has_a_speedup_but_no_difference():
    records = [item for item in curves(1.5) if (item["node"]["method"], item["node"]["budget"]) != ("baseline", 8)]
    row = speedup_table(table(records)).set_index("budget").loc[8]
    assert np.isnan(row["baseline_quality"]) and np.isnan(row["difference"]) and np.isnan(row["difference_se"])
    assert row["speedup"] == pytest.approx(1.5)


def test_morse_without_any_baseline_raises():
    with pytest.raises(ValueError, match="twin shapes ddim: Morse runs without a baseline"):
        speedup_table(table([record("morse", 10, 0, 6, 32)]))


def test_baseline_alone_gives_an_empty_table():
    assert speedup_table(table([record()])).empty


def test_summary_counts_bounds_and_excluded_points():
    speedups = pd.DataFrame({
        **dict.fromkeys(CURVE, "x"), "scale": "mini", "metric": "m", "quality": [300.0, 20.0, 10.0, 5.0],
        "saturated": [False, False, False, True],
        "speedup": [0.5, 2.0, 8.0, 4.0], "censored": ["below", "", "", "above"],
        "speedup_wall": [1.0, 1.0, 4.0, 2.0], "censored_wall": ["", "", "", ""],
    })  # fmt: skip
    everything, falling, band = speedup_summary(speedups, max_quality=10).to_dict("records")
    assert (everything["band"], everything["points"], everything["excluded"], everything["lower_bound"]) == ("all", 3, 1, True)
    assert everything["geometric_mean"] == pytest.approx(4.0)
    assert everything["arithmetic_mean"] == pytest.approx(14 / 3)
    assert (everything["points_wall"], everything["arithmetic_mean_wall"], everything["lower_bound_wall"]) == (4, 2.0, False)
    assert (band["band"], band["points"], band["excluded"]) == ("quality <= 10", 2, 0)
    assert band["geometric_mean"] == pytest.approx(np.sqrt(32))
    assert (falling["band"], falling["points"], falling["excluded"], falling["lower_bound"]) == ("before saturation", 2, 1, False)
    assert falling["geometric_mean"] == pytest.approx(4.0)
    assert list(speedup_summary(speedups)["band"]) == ["all", "before saturation"]


@pytest.mark.parametrize(
    ("qualities", "start"),
    [
        ([9, 5, 3.1, 3, 3.05], 8.0),  # 3.1 is within 5 % of 3
        ([9, 5, 3.2, 3, 3.05], 16.0),
        ([9, 3.1, 3.4, 3, 3], 4.0),  # what rises again later was noise
        ([9, 7, 5, 3, 2], np.inf),
        ([9, 7, 5, 2.05, 2], 16.0),
    ],
)
def test_saturation_is_where_the_curve_comes_near_its_best(qualities, start):
    baseline = pd.DataFrame({"budget": [2, 4, 8, 16, 32], "quality": qualities}).sample(frac=1, random_state=0)
    assert saturation(baseline, 0.05) == start


def test_a_flat_end_is_told_apart():
    flat = {"budget": 128, "quality": power_law(64)}
    records = [*curves(2.0), record(**flat), record("morse", dash=64, dot=512, **flat)]
    speedups = speedup_table(table(records))
    assert speedups.set_index("budget")["saturated"].to_dict() == {4: False, 8: False, 16: False, 32: False, 64: True, 128: True}
    assert not speedup_table(table(curves(2.0)))["saturated"].any()


def test_the_ceiling_is_a_perfect_dot():
    """Which makes every call as good as Dash's: 8 of Dash and 16 of Dot, N = 8, are 24 for the price of 10."""
    speedups = speedup_table(table([record(budget=10), record("morse", 10, dash=8, dot=16)]))
    assert speedups["ceiling"].item() == pytest.approx(24 / speedups["lsd"].item())
    assert speedups["lsd"].item() == pytest.approx(10.0)


def test_summary_of_a_table_read_back_from_csv_is_the_same(tmp_path):
    speedups = speedup_table(table(curves(2.5)))
    speedups.to_csv(tmp_path / "speedup.csv", index=False)
    pd.testing.assert_frame_equal(speedup_summary(pd.read_csv(tmp_path / "speedup.csv")), speedup_summary(speedups))


def test_no_heavy_imports():
    code = "import sys, morse.results, morse.plots; print({'torch', 'snakemake', 'matplotlib.pyplot'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "set()"
