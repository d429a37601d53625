"""The word lossless is earned by a test: how often it errs is simulated with a known truth."""

import numpy as np
import pandas as pd
import pytest
from curves import curve, curves, record, table

from morse.results.jackknife import jackknife_table
from morse.results.lossless import not_inferior, with_lossless
from morse.results.speedup import speedup_table

MARGIN = 0.02


def decided(morse, baseline, of_morse, of_baseline, margin=MARGIN):
    return not_inferior(morse, baseline, np.array(of_morse), np.array(of_baseline), margin)


def test_the_margin_and_the_errors_decide():
    assert decided(3.0, 4.0, [0.1, 0.0], [0.0, 0.1])
    assert not decided(3.0, 4.0, [1.0, 0.0], [0.0, 1.0])
    assert not decided(4.0, 4.0, [0.1, 0.0], [0.0, 0.1])  # as good, but not shown to be
    assert decided(4.0, 4.0, [0.01, 0.0], [0.0, 0.01])
    assert not decided(4.0, 4.0, [0.0], [0.0], margin=0.0)


def test_luck_that_both_share_drops_out():
    assert decided(3.9, 4.0, [1.0], [1.0])
    assert not decided(3.9, 4.0, [1.0, 0.0], [0.0, 1.0])


@pytest.mark.parametrize("groups", [4, 20])
def test_a_morse_that_is_worse_by_the_margin_passes_in_one_run_of_twenty(groups):
    """Means over groups take the place of distances.

    Their jackknife is exact, so that the level is the test's own.
    """
    rng, passed, trials = np.random.default_rng(0), 0, 3000
    truth = np.array([4.0 * (1 + MARGIN), 4.0])
    for _ in range(trials):
        values = truth[:, None] + np.array([[0.3, 0.2], [0.4, -0.1]]) @ rng.standard_normal((2, groups))
        without = (values.sum(axis=1, keepdims=True) - values) / (groups - 1)
        factor = np.sqrt((groups - 1) / groups) * (without - without.mean(axis=1, keepdims=True))
        passed += not_inferior(*values.mean(axis=1), *factor, MARGIN, groups - 1)
    assert 0.035 < passed / trials < 0.065


def shown(qualities, morse):
    """Of a baseline with these qualities at 5, 10, 20, ... LSD and Morse at 10."""
    records = [record("baseline", 5 * 2**k, 0, quality=quality) for k, quality in enumerate(qualities)]
    records.append(record("morse", 10, 0, 5, 40, quality=morse))
    runs = table(records)
    return with_lossless(speedup_table(runs), runs, None, MARGIN)


def test_the_largest_budget_in_an_unbroken_row_counts():
    row = shown([9.0, 6.0, 2.0, 7.0], 5.0).iloc[0]
    assert row["lossless_budget"] == 10.0  # not 40, behind a failure
    assert row["lossless_speedup"] == pytest.approx(10.0 / row["lsd"])
    assert row["lossless_speedup_wall"] == pytest.approx(1.0)  # 10 calls of half a second, and 5 + 40 / 8
    assert row["margin"] == MARGIN


def test_a_morse_that_beats_nothing_has_no_budget():
    assert np.isnan(shown([4.0, 3.0], 5.0)["lossless_budget"][0])


def test_pairing_comes_from_the_jackknife():
    records = [record("baseline", 10, 0, quality=4.0), record("morse", 10, 0, 5, 40, quality=3.9)]
    for item in records:
        without = [item["quality"]["value"] + luck for luck in (-0.2, 0.0, 0.2)]
        item["quality"] |= {"without_groups": without, "standard_error": 0.23}
    runs, jackknife = table(records), jackknife_table(records)
    speedups = speedup_table(runs)
    assert with_lossless(speedups, runs, jackknife, MARGIN)["lossless_budget"][0] == 10
    assert np.isnan(with_lossless(speedups, runs, None, MARGIN)["lossless_budget"][0])


def test_every_method_is_tested_against_the_baseline_alone():
    """The other method is much the better one, and Morse's verdicts stay what they were."""
    records = curves(1.5, se=0.02)
    both, alone = (table(some) for some in (records + curve("other", 6.0, se=0.02), records))
    verdicts = with_lossless(speedup_table(both), both, None, MARGIN)
    of_morse = verdicts[verdicts["method"] == "morse"].reset_index(drop=True)
    pd.testing.assert_frame_equal(of_morse, with_lossless(speedup_table(alone), alone, None, MARGIN))
    of_other = verdicts[verdicts["method"] == "other"]
    assert of_other["lossless_budget"].tolist() == [16.0, 32.0, 64.0, 64.0, 64.0]  # the last below 24, 48, 96, ...
    assert of_other["lossless_speedup"].tolist() == pytest.approx([4.0, 4.0, 4.0, 2.0, 1.0])
    assert (of_other["lossless_budget"].iloc[:3].to_numpy() > of_morse["lossless_budget"].iloc[:3].to_numpy()).all()


def test_wall_clocks_of_several_devices_make_no_lossless_speedup():
    records = curves(1.5)
    records[0]["provenance"]["device"] = "another"
    runs = table(records)
    verdicts = with_lossless(speedup_table(runs), runs, None, MARGIN)
    assert verdicts["lossless_speedup"].notna().all() and verdicts["lossless_speedup_wall"].isna().all()


def test_the_device_of_another_method_does_not_count():
    others = curve("other", 2.0)
    for item in others:
        item["provenance"]["device"] = "another"
    runs = table(curves(1.5) + others)
    verdicts = with_lossless(speedup_table(runs), runs, None, MARGIN)
    assert verdicts.groupby("method")["lossless_speedup_wall"].count().to_dict() == {"morse": 5, "other": 0}


def test_a_table_without_points_gains_the_columns():
    runs = table([record()])
    empty = with_lossless(speedup_table(runs), runs, None, MARGIN)
    assert {"lossless_budget", "lossless_speedup", "lossless_speedup_wall", "margin"} <= set(empty.columns)
    assert empty.empty
