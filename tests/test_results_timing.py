"""Wall-clock of runs in turn, in the tables: what cancels, is refused, or is warned of."""

import numpy as np
import pandas as pd
import pytest
from curves import BUDGETS, curves, record, table, timing, timings

from morse.files import DamagedFile, write_json
from morse.results.lossless import with_lossless
from morse.results.runs import average_seeds
from morse.results.speedup import speedup_table
from morse.results.timing import check_timings, read_timing, timing_table, with_timings

PLAN = {"morse": "D" * 6 + "." * 32}


def runs_of(budget=10, **changes):
    return table([record(budget=budget), record("morse", budget, 0, 6, 32, **changes)])


def test_the_table_has_medians_ratios_and_their_intervals():
    records = [timing(20), timing(10, drift=(2.0, 1.0, 4.0), decoding=1.0)]
    found = timing_table(records)
    assert found[["method", "budget"]].to_numpy().tolist() == [
        ["baseline", 10], ["baseline", 20], ["morse", 10], ["morse", 20],
    ]  # fmt: skip
    assert (found["rounds"] == 3).all() and (found["images"] == 10).all() and set(found["device"]) == {"cpu"}
    assert found["seconds"].tolist() == pytest.approx([22.0, 20.0, 24.2, 22.0])
    assert found["ratio"].tolist() == [1.0, 1.0, 1.1, 1.1]
    assert found["ratio_low"].tolist() == pytest.approx([0.9, 0.9, 0.99, 0.99])
    assert found["ratio_high"].tolist() == pytest.approx([1.1, 1.1, 1.21, 1.21])


def test_wall_clock_in_lsd_has_decoding_as_a_term_of_its_own():
    """Ten calls and a decoding of one call's time are 11 LSD, at any speed of the machine."""
    for drift in ((1.0, 1.0, 1.0), (3.0, 0.5, 7.0)):
        found = timing_table([timing(10, decoding=1.0, drift=drift)])
        assert found["wall_lsd"].tolist() == pytest.approx([11.0, 12.1])


def test_runs_get_the_wall_clock_of_their_cell_and_keep_their_own_seconds():
    runs = runs_of()
    found = with_timings(runs, [timing(10, plans=PLAN, drift=(1.0, 2.0, 4.0))])
    assert found["seconds"].tolist() == runs["seconds"].tolist()
    assert found["seconds_per_image"].tolist() == pytest.approx([2.0, 2.2])  # 20 s, of 10 images
    assert found["wall_lsd"].tolist() == pytest.approx([10.0, 11.0])
    assert list(found.columns) == list(runs.columns)


def test_all_seeds_get_it_and_other_runs_keep_their_own():
    runs = table([record(seed=seed) for seed in (0, 1)] + [record(budget=20)])
    pd.testing.assert_frame_equal(with_timings(runs, []), runs)
    found = with_timings(runs, [timing(10, {"baseline": 1.0})])
    assert found["seconds_per_image"].tolist() == pytest.approx([1.0, 1.0, runs["seconds_per_image"][2]])
    assert found["wall_lsd"].fillna(-1.0).tolist() == pytest.approx([10.0, 10.0, -1.0])


def test_a_cell_without_a_baseline_has_seconds_alone():
    found = with_timings(runs_of(), [timing(10, {"morse": 1.5}, plans=PLAN, execution={"dot": "eager"})])
    assert found["seconds_per_image"].tolist() == pytest.approx([runs_of()["seconds_per_image"][0], 1.5])
    assert found["wall_lsd"].isna().all()
    assert timing_table([timing(10, {"morse": 1.5})])[["ratio", "ratio_low", "wall_lsd"]].isna().all(axis=None)


def slow_at(budget):
    """A machine that is slow while odd places of the budgets are timed."""
    return 1.3 if BUDGETS.index(budget) % 2 else 1.0


def test_speedups_by_wall_clock_do_not_depend_on_when_cells_were_timed():
    """Morse takes 1.1 times as long as its LSD, so its speedup is that by LSD over 1.1."""
    records = curves(1.5)
    steady, drifting = (
        with_timings(table(records), timings(records, drift)) for drift in (lambda budget: 1.0, slow_at)
    )
    assert not np.allclose(steady["seconds_per_image"], drifting["seconds_per_image"])
    for runs in (steady, drifting):
        speedups = speedup_table(runs)
        inside = speedups[speedups["censored"] == ""]
        assert len(inside) == 4
        np.testing.assert_allclose(inside["speedup"], 1.5, rtol=1e-9)
        np.testing.assert_allclose(inside["speedup_wall"], 1.5 / 1.1, rtol=1e-9)
    lossless = [with_lossless(speedup_table(runs), runs, None, 0.02) for runs in (steady, drifting)]
    np.testing.assert_allclose(*(one["lossless_speedup_wall"] for one in lossless))
    own = speedup_table(table(records))  # of the runs' own seconds, which know of no 1.1
    assert own["speedup_wall"].iloc[0] == pytest.approx(own["speedup"].iloc[0])


def test_averages_have_the_seconds_of_one_machine_speed():
    records = curves(1.5)
    points = average_seeds(with_timings(table(records), timings(records, slow_at)))
    baseline = points[points["method"] == "baseline"]
    per_lsd = baseline["seconds_per_image"] / baseline["lsd"]
    assert per_lsd.tolist() == pytest.approx([0.1] * 5)  # the median of 0.1 and, at two budgets, 0.13
    half = average_seeds(with_timings(table(records), timings(records, slow_at)[:4]))
    own = average_seeds(table(records)).set_index(["method", "budget"])["seconds_per_image"]
    found = half.set_index(["method", "budget"])["seconds_per_image"]
    assert found["baseline", 8] == pytest.approx(1.3 * 0.8)  # a curve that is timed in part is as it was measured
    assert found["baseline", 64] == own["baseline", 64]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"plans": {"morse": "D" * 7 + "." * 24}}, "another plan"),
        ({"execution": {"dash": "compiled", "dot": "eager"}}, "another execution of dash"),
        ({"execution": {"dash": "eager", "dot": "compiled"}}, "another execution of dot"),
    ],
)
def test_what_was_timed_otherwise_than_it_was_run_is_one_line(changed, message):
    record = timing(10, **({"plans": PLAN} | changed))
    with pytest.raises(ValueError, match=f"twin shapes ddim .* was timed with {message} than it was run with") as error:
        with_timings(runs_of(), [record])
    assert str(error.value).endswith("to time it again: rm timing/10.json, then run again")
    assert "\n" not in str(error.value)


def test_records_read_back_and_those_of_other_versions_are_one_line(tmp_path):
    record = {key: value for key, value in timing().items() if key != "path"}
    path = tmp_path / "t.json"
    write_json(record, path)
    assert read_timing(path) == record | {"path": str(path)}
    broken = [{key: value for key, value in record.items() if key != "methods"}, record | {"images": "many"}, [], {}]
    without = {key: value for key, value in record["methods"]["morse"].items() if key != "decoding"}
    uneven = record["methods"]["morse"] | {"seconds": [1.0]}
    for timed in (without, uneven, 3, without | {"decoding": []}, uneven | {"decoding": [], "seconds": []}):
        broken.append(record | {"methods": {"morse": timed}})
    for content in broken:
        write_json(content, path)
        with pytest.raises(DamagedFile, match=r"t\.json is damaged") as error:
            read_timing(path)
        assert "delete it and run again" in str(error.value) and "\n" not in str(error.value)


def test_another_device_or_version_is_warned_of():
    runs, record = runs_of(), timing(10, plans=PLAN)
    assert check_timings(runs, [record]) == ""
    elsewhere = record | {"provenance": {"device": "a GPU", "code": "v1"}}
    assert check_timings(runs, [record, elsewhere]) == (
        "twin shapes ddim 10 was timed on another device than it was sampled; "
        "to time it here and now: rm timing/10.json, then run again"
    )
    older = record | {"provenance": {"device": "cpu", "code": "v0"}}
    assert "was timed by another version of the library than it was sampled" in check_timings(runs, [older])
    assert check_timings(runs, [older | {"budget": 99}]) == ""  # runs that are not in the table
