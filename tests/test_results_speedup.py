"""Speedups against synthetic curves whose speedup is known."""

import numpy as np
import pandas as pd
import pytest
from curves import curve, curves, power_law, record, table

from morse.results.equal_quality import equal_quality_cost, saturation
from morse.results.jackknife import jackknife_table
from morse.results.runs import CURVE
from morse.results.speedup import SPEEDUP_COLUMNS, speedup_draws, speedup_table, without_baseline
from morse.results.summary import BEFORE_SATURATION, SUMMARY_COLUMNS, speedup_summary


def test_equal_quality_cost_inverts_a_power_law_between_its_points():
    cost = [3, 10, 30, 100]
    found = equal_quality_cost(cost[::-1], power_law(cost[::-1]), power_law(17.0))
    assert found.cost == pytest.approx(17.0, rel=1e-12)
    assert found.censored == ""


@pytest.mark.parametrize(
    ("target", "cost", "censored"),
    [(9.0, 5, ""), (9.1, 5, "below"), (2.0, 50, ""), (1.9, 50, "above")],
)
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
        if item["run"]["method"] == "morse":
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
    # Both curves' errors in log cost, half-way between two points: se / 0.9 * sqrt(1 + 2 / 4).
    assert width[0.02] == pytest.approx(2 * 1.96 * 0.02 / 0.9 * np.sqrt(1.5), rel=0.15)


@pytest.mark.parametrize("groups", [5, 20])
def test_interval_covers_the_truth_about_as_often_as_it_says(groups):
    """Qualities are means over groups, some of whose luck the runs share.

    The jackknife has to find out how much.
    """
    hits = []
    for seed in range(300):
        rng, records = np.random.default_rng(seed), curves(1.5)
        common = rng.standard_normal(groups)
        for item in records:
            luck = 0.03 * np.sqrt(groups) * (0.8 * common + 0.6 * rng.standard_normal(groups))
            value = item["quality"]["value"]
            without = value * (1 + (luck.sum() - luck) / (groups - 1))
            item["quality"] |= {"value": value * (1 + luck.mean()), "without_groups": without.tolist()}
        middle = speedup_table(table(records), jackknife_table(records)).iloc[1:3]
        hits += ((middle["speedup_low"] < 1.5) & (1.5 < middle["speedup_high"])).tolist()
    assert 0.92 < np.mean(hits) < 0.98


def flattening(cost):
    return 40.0 * np.asarray(cost) ** -0.9 + 1.0


def of_flat_curves(luck=None, groups=20):
    """Baseline and Morse, 1.5 times as fast, on a curve that ends flat.

    With luck, all runs have a part of it in common.
    """
    records = [item for item in curves(1.5) if item["run"]["method"] == "baseline" or item["run"]["budget"] <= 32]
    common = np.zeros(groups) if luck is None else luck.standard_normal(groups)
    for item in records:
        speed = 1.5 if item["run"]["method"] == "morse" else 1.0
        own = np.zeros(groups) if luck is None else luck.standard_normal(groups)
        deviation = 0.01 * np.sqrt(groups) * (0.8 * common + 0.6 * own)
        value = flattening(speed * item["run"]["budget"])
        without = value * (1 + (deviation.sum() - deviation) / (groups - 1))
        item["quality"] |= {"value": value * (1 + deviation.mean()), "without_groups": without.tolist()}
    return records


def test_the_interval_of_the_mean_covers_where_the_curve_ends_flat():
    def mean(records):
        runs, jackknife = table(records), jackknife_table(records)
        return speedup_summary(speedup_table(runs, jackknife), draws=speedup_draws(runs, jackknife)).iloc[0]

    truth = mean(of_flat_curves())["geometric_mean"]
    assert truth == pytest.approx(1.5, rel=0.05)  # the baseline is linear between its points
    found = [mean(of_flat_curves(np.random.default_rng(seed))) for seed in range(200)]
    hits = [one["geometric_mean_low"] < truth < one["geometric_mean_high"] for one in found]
    assert 0.90 <= np.mean(hits) <= 0.99


def test_intervals_do_not_depend_on_the_other_curves():
    alone = curves(1.5, se=0.02)
    others = [{**item, "run": {**item["run"], "model": "twin", "sampler": "a-first"}} for item in curves(2.0, se=0.05)]
    both = speedup_table(table(alone + others))
    pd.testing.assert_frame_equal(both[both["sampler"] == "ddim"].reset_index(drop=True), speedup_table(table(alone)))


def paired(records, luck, share=1.0, groups=20, size=0.3):
    """The records with a jackknife; the runs of a seed have ``share`` of their luck in common."""
    for item in records:
        run, q = item["run"], item["quality"]
        rng = np.random.default_rng([luck, run["seed"]])
        common = rng.standard_normal(groups)
        own = np.random.default_rng([luck, run["seed"], run["budget"], len(run["method"])]).standard_normal(groups)
        deviation = share * common + np.sqrt(1 - share**2) * own
        deviation *= size * np.sqrt(groups / (groups - 1)) / np.linalg.norm(deviation - deviation.mean())
        q["without_groups"] = (q["value"] * (1 + deviation)).tolist()
        q["standard_error"] = q["value"] * size
    return records


def test_luck_that_both_curves_share_drops_out_of_the_intervals():
    width = {}
    for share in (0.0, 1.0):
        records = paired(curves(1.5), 3, share, size=0.05)
        row = speedup_table(table(records), jackknife_table(records)).iloc[2]
        assert row["speedup"] == pytest.approx(1.5)
        width[share] = np.log(row["speedup_high"] / row["speedup_low"])
    assert width[1.0] < 0.01 * width[0.0]  # all qualities move by one factor: costs at equal quality do not move
    alone = speedup_table(table(records)).iloc[2]  # without the jackknife they count as independent
    assert np.log(alone["speedup_high"] / alone["speedup_low"]) == pytest.approx(width[0.0], rel=0.2)


def test_differences_have_the_error_of_the_pairs():
    records = [record("baseline", 10, seed, quality=10.0) for seed in (0, 1)]
    records += [record("morse", 10, seed, 5, 40, quality=8.0) for seed in (0, 1)]
    paired(records, 1, share=1.0, size=0.1)
    row = speedup_table(table(records), jackknife_table(records)).iloc[0]
    assert row["difference"] == pytest.approx(-2.0)
    assert row["difference_se"] == pytest.approx(0.2 / np.sqrt(2))  # a tenth of the difference, of two seeds
    alone = speedup_table(table(records)).iloc[0]
    assert alone["difference_se"] == pytest.approx(np.hypot(0.8, 1.0) / np.sqrt(2))


def test_means_have_intervals_and_points_of_one_luck_do_not_average_it_out():
    width = {}
    for share in (0.0, 1.0):
        records = paired(curves(1.5), 5, share, size=0.03)
        for item in records:
            if item["run"]["method"] == "baseline":  # known exactly: Morse's own luck is all
                item["quality"] |= {"without_groups": [item["quality"]["value"]] * 20, "standard_error": 0.0}
        runs, jackknife = table(records), jackknife_table(records)
        speedups, draws = speedup_table(runs, jackknife), speedup_draws(runs, jackknife)
        assert draws["lsd"].shape == (2000, len(speedups))
        band = speedups[speedups["quality"] >= speedups["quality"].iloc[3]]  # without the last, a bound
        mean = speedup_summary(speedups, draws=draws).iloc[0]
        assert mean["geometric_mean_low"] < mean["geometric_mean"] < mean["geometric_mean_high"]
        inside = speedup_summary(band, draws={clock: values[:, :4] for clock, values in draws.items()}).iloc[0]
        single = np.log(band["speedup_high"] / band["speedup_low"]).mean()
        width[share] = np.log(inside["geometric_mean_high"] / inside["geometric_mean_low"]) / single
    assert width[0.0] == pytest.approx(1 / np.sqrt(4), rel=0.2)
    assert width[1.0] == pytest.approx(1.0, rel=0.05)
    assert np.isnan(speedup_summary(speedups)["geometric_mean_low"]).all()


def test_a_budget_without_baseline_has_a_speedup_but_no_difference():
    records = [item for item in curves(1.5) if item["run"]["method"] == "morse" or item["run"]["budget"] != 8]
    row = speedup_table(table(records)).set_index("budget").loc[8]
    assert np.isnan(row["baseline_quality"]) and np.isnan(row["difference"]) and np.isnan(row["difference_se"])
    assert row["speedup"] == pytest.approx(1.5)


def test_a_curve_without_any_baseline_has_no_speedup_and_a_warning():
    alone = [item for item in curves(1.5) if item["run"]["method"] == "morse"]
    assert speedup_table(table(alone)).empty and list(speedup_table(table(alone)).columns) == SPEEDUP_COLUMNS
    assert without_baseline(table(alone)) == "no speedup without runs by baseline: twin shapes ddim"
    assert without_baseline(table(curves(1.5))) == ""


def test_every_method_has_its_own_speedup_over_the_baseline():
    speedups = speedup_table(table(curves(1.5) + curve("other", 1.2)))
    assert list(speedups.columns) == SPEEDUP_COLUMNS and SPEEDUP_COLUMNS[4] == "method"
    assert speedups["method"].tolist() == ["morse"] * 5 + ["other"] * 5
    for method, speed in (("morse", 1.5), ("other", 1.2)):
        rows = speedups[speedups["method"] == method].set_index("budget")
        np.testing.assert_allclose(rows.loc[[4, 8, 16], ["speedup", "speedup_wall"]], speed, rtol=1e-9)
        np.testing.assert_allclose(rows["baseline_quality"], power_law(rows.index.to_numpy()))
        np.testing.assert_allclose(rows["quality"], power_law(speed * rows.index.to_numpy()))


@pytest.mark.parametrize("pairs", [True, False])
def test_a_method_s_rows_do_not_change_when_another_is_added(pairs):
    """Neither its speedups, nor their intervals, nor the means over them with theirs."""

    def tables(records):
        runs, jackknife = table(records), jackknife_table(records) if pairs else None
        speedups = speedup_table(runs, jackknife)
        return speedups, speedup_summary(speedups, 10.0, speedup_draws(runs, jackknife))

    morse, other = paired(curves(1.5, se=0.03), 3, size=0.03), paired(curve("a-first", 2.0, se=0.05), 4, size=0.05)
    for both, alone in zip(tables(morse + other), tables(morse), strict=True):
        assert {*both["method"]} == {"a-first", "morse"} and len(both) == 2 * len(alone)
        pd.testing.assert_frame_equal(both[both["method"] == "morse"].reset_index(drop=True), alone)


def test_the_device_of_another_method_does_not_take_the_wall_clock_away():
    others = curve("other", 2.0)
    for item in others:
        item["provenance"]["device"] = "another"
    known = speedup_table(table(curves(1.5) + others)).groupby("method")["speedup_wall"].count()
    assert known.to_dict() == {"morse": 5, "other": 0}


def test_baseline_alone_gives_an_empty_table():
    assert speedup_table(table([record()])).empty


def test_summary_counts_bounds_and_excluded_points():
    speedups = pd.DataFrame({
        **dict.fromkeys(CURVE, "x"), "method": "morse", "scale": "mini", "metric": "m",
        "quality": [300.0, 20.0, 10.0, 5.0], "saturated": [False, False, False, True],
        "speedup": [0.5, 2.0, 8.0, 4.0], "censored": ["below", "", "", "above"],
        "speedup_wall": [1.0, 1.0, 4.0, 2.0], "censored_wall": ["", "", "", ""],
    })  # fmt: skip
    everything, falling, band = speedup_summary(speedups, max_quality=10).to_dict("records")
    counts = ["band", "points", "excluded", "lower_bound"]
    assert [everything[name] for name in counts] == ["all", 3, 1, True]
    assert everything["geometric_mean"] == pytest.approx(4.0)
    assert everything["arithmetic_mean"] == pytest.approx(14 / 3)
    assert (everything["points_wall"], everything["arithmetic_mean_wall"]) == (4, 2.0)
    assert not everything["lower_bound_wall"]
    assert (band["band"], band["points"], band["excluded"]) == ("quality <= 10", 2, 0)
    assert band["geometric_mean"] == pytest.approx(np.sqrt(32))
    assert [falling[name] for name in counts] == ["before saturation", 2, 1, False]
    assert falling["geometric_mean"] == pytest.approx(4.0)
    assert list(speedup_summary(speedups)["band"]) == ["all", "before saturation"]


def test_the_summary_has_a_row_for_each_method_and_band():
    runs = table(curves(1.5) + curve("other", 1.2))
    summary = speedup_summary(speedup_table(runs), draws=speedup_draws(runs))
    assert list(summary.columns) == SUMMARY_COLUMNS and SUMMARY_COLUMNS[4] == "method"
    assert summary[["method", "band"]].to_numpy().tolist() == [
        [method, band] for method in ("morse", "other") for band in ("all", BEFORE_SATURATION)
    ]
    means = summary[summary["band"] == "all"].set_index("method")["geometric_mean"]
    # Four points of the speed, and the last, a bound of 1.
    assert means.to_dict() == pytest.approx({"morse": 1.5 ** (4 / 5), "other": 1.2 ** (4 / 5)})


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
    saturated = speedups.set_index("budget")["saturated"]
    assert saturated.to_dict() == dict.fromkeys((4, 8, 16, 32), False) | {64: True, 128: True}
    assert not speedup_table(table(curves(2.0)))["saturated"].any()


def test_the_ceiling_is_a_perfect_dot():
    """It makes every call as good as Dash's: 8 of Dash and 16 of Dot are 24 for the price of 10."""
    speedups = speedup_table(table([record(budget=10), record("morse", 10, dash=8, dot=16)]))
    assert speedups["ceiling"].item() == pytest.approx(24 / speedups["lsd"].item())
    assert speedups["lsd"].item() == pytest.approx(10.0)


def test_summary_of_a_table_read_back_from_csv_is_the_same(tmp_path):
    speedups = speedup_table(table(curves(2.5)))
    speedups.to_csv(tmp_path / "speedup.csv", index=False)
    pd.testing.assert_frame_equal(speedup_summary(pd.read_csv(tmp_path / "speedup.csv")), speedup_summary(speedups))
