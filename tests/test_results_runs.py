"""The table of runs: costs from calls, what cannot be compared, averages over seeds."""

import subprocess
import sys

import numpy as np
import pytest
from curves import RATIO, measured, record, table

from morse.results.runs import (
    RUN_COLUMNS,
    average_seeds,
    check_one_code,
    check_one_device,
    further_extractors,
    metric_column,
    runs_table,
)

LIGHT = ("morse.results.runs", "morse.results.speedup", "morse.results.tables", "morse.report.curves")
HEAVY = "{'torch', 'snakemake', 'matplotlib.pyplot'}"


def test_runs_table_is_sorted_and_has_both_costs():
    records = [record("morse", 10, 1, 4, 40), record(seed=1), record(seed=0)]
    runs = runs_table(records, {"twin": {"costs": {"D": 1.0, ".": 0.1}}})
    assert list(runs.columns) == RUN_COLUMNS
    assert list(zip(runs["method"], runs["seed"], strict=True)) == [("baseline", 0), ("baseline", 1), ("morse", 1)]
    morse = runs.iloc[2]
    assert (morse["lsd"], morse["lsd_nominal"]) == pytest.approx((4 + 40 / 10.0, 4 + 40 / RATIO))
    assert (morse["ratio_measured"], morse["ratio_nominal"]) == pytest.approx((10.0, RATIO))
    assert (morse["nfe"], morse["dash_calls"], morse["dot_calls"]) == (44, 4, 40)
    assert runs["nfe"].tolist() == [10, 10, 44]
    assert morse["seconds_per_image"] == morse["seconds"] / 100
    assert runs["ratio_nominal"].isna().tolist() == runs["ratio_measured"].isna().tolist() == [True, True, False]
    assert runs["metric"].unique() == ["Fréchet distance"]


def test_every_kind_of_call_has_its_own_cost():
    """A method with a third kind of call, ``~``: nominal 0.5 LSD, measured 0.25."""
    nominal, costs = {"D": 1.0, ".": 1.0 / RATIO, "~": 0.5}, {"D": 1.0, ".": 0.1, "~": 0.25}
    other = record("other", 10, plan="D~~~~..", costs=nominal)
    row = runs_table([record(), other], {"twin": {"costs": costs}}).set_index("method").loc["other"]
    assert row["lsd"] == pytest.approx(1 + 4 * 0.25 + 2 * 0.1)
    assert row["lsd_nominal"] == pytest.approx(1 + 4 * 0.5 + 2 / RATIO)
    assert (row["nfe"], row["dash_calls"], row["dot_calls"]) == (7, 1, 2)


def test_a_run_of_dash_alone_needs_no_latencies():
    (lsd,) = runs_table([record()], {})["lsd"]
    assert lsd == 10.0


def test_metrics_beside_the_distance_are_columns():
    metrics = {"kid": {"value": 0.1, "standard_error": 0.01}, "recall": {"value": 0.7, "standard_error": None}}
    first, second = table([record(budget=5) | {"metrics": measured(metrics)}, record(budget=6)]).to_dict("records")
    assert (first["kid"], first["kid_se"], first["recall"]) == (0.1, 0.01, 0.7)
    assert np.isnan(second["kid"]) and np.isnan(first["coverage"])


def test_metrics_by_further_extractors_are_columns_behind_the_others():
    """One without values, such as recall's error, has no column."""
    kid, recall = {"value": 0.1, "standard_error": 0.01}, {"value": 0.7, "standard_error": None}
    first = measured({"kid": kid})
    wide = measured({"kid": {**kid, "value": 3.0}, "recall": recall}, "wide", "FID", "w/1")
    records = [record(budget=5) | {"metrics": {**first, **wide}}, record(budget=6) | {"metrics": first}]
    assert further_extractors(records) == ["wide"] and metric_column("kid", "wide") == "kid_wide"
    runs = table(records)
    assert list(runs.columns) == [*RUN_COLUMNS, "kid_wide", "kid_wide_se", "recall_wide"]
    assert runs["kid"].tolist() == [0.1, 0.1]
    assert runs.loc[0, ["kid_wide", "kid_wide_se", "recall_wide"]].tolist() == [3.0, 0.01, 0.7]
    assert runs.loc[1, ["kid_wide", "kid_wide_se", "recall_wide"]].isna().all()


def test_a_dirty_tree_shows_in_the_commit():
    assert table([record(dirty=True)])["commit"][0] == "c0ffee-dirty"


def by_inception(seed=0, **identity):
    """A record with the distance by a further extractor."""
    found = {"frechet": {"value": 3.0, "standard_error": 0.1}}
    return record(seed=seed) | {"metrics": measured(found, "inception", **{"label": "FID"} | identity)}


def of_morse(seed, execution):
    return record("morse", 10, seed, 6, 32, execution={"dash": "eager", "dot": execution})


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([record(), record()], "more than one record of the run: .*method=baseline budget=10 seed=0"),
        ([record("morse", 10, 0, 6, 33)], "over its nominal budget: .*method=morse"),
        ([record("baseline", 10, 0, 11)], "over its nominal budget"),
        ([record(), record(seed=1, extractor="large")], "twin on shapes: runs differ in extractor: large, small"),
        ([record(), record(seed=1, reference="bb")], "differ in reference: aa, bb"),
        ([by_inception(extractor="i/a"), by_inception(1, extractor="i/b")], "differ in inception: extractor: i/a, i/b"),
        ([by_inception(), by_inception(1, reference="bb")], "differ in inception: reference: aa, bb"),
        ([by_inception(), by_inception(1, label="FID (clean)")], r"differ in inception: label: FID, FID \(clean\)"),
        ([record(), record(seed=1, images=200)], "differ in images: 100, 200"),
        ([record(), record(seed=1, scale="paper")], "differ in scale"),
        ([record(), record(seed=1, execution={"dash": "compiled"})], "differ in dash_execution: compiled, eager"),
        ([record(), of_morse(0, "eager"), of_morse(1, "compiled")], "differ in dot_execution: compiled, eager"),
        ([record(quality=float("nan"))], "not a positive number"),
        ([record(se=None)], "not a positive number"),
        ([record("baseline", 10, 0, 5, 5)], "cost"),  # calls of Dot, of which the record tells no cost
        ([record("morse", 10, 0, 6, 32, model="big")], r"no measured latency of big's calls \., D: its runs by morse"),
        ([record("other", plan="D~", costs={"D": 1.0, "~": 1.0})], "no measured latency of twin's calls ~: "),
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
    warning = check_one_code(table([record(), record(seed=1, code="v2")]))
    assert warning == "runs of 2 versions of the library: v1 (1 runs), v2 (1 runs)"


def test_calls_measured_on_another_device_than_the_runs_are_a_warning():
    runs = table([record(), record(seed=1, device="a GPU"), record(model="big", device="a GPU")])
    latencies = [
        {"model": name, "provenance": {"device": device}} for name, device in (("big", "a GPU"), ("twin", "cpu"))
    ]
    paths = ["latency/big.json", "my latency/twin.json"]
    warning = check_one_device(runs, latencies, paths)
    assert warning.startswith("costs in LSD of twin are of another device: my latency/twin.json was measured on cpu")
    assert warning.endswith("sampled on a GPU; to measure here: rm 'my latency/twin.json', then run again")
    assert check_one_device(runs[runs["device"] == "cpu"], latencies[1:], paths[1:]) == ""


def test_seeds_are_averaged_with_the_errors_of_their_records():
    two_seeds = record(seed=0, quality=1.0, se=0.5), record(seed=1, quality=3.0, se=1.2, seconds=7.0)
    five, ten = average_seeds(table([*two_seeds, record(budget=5, quality=4.0, se=0.25)])).to_dict("records")
    assert (five["quality"], five["quality_se"], five["n_seeds"]) == (4.0, 0.25, 1)
    assert (ten["quality"], ten["n_seeds"]) == (2.0, 2)
    assert ten["quality_se"] == pytest.approx(np.hypot(0.5, 1.2) / 2)
    assert ten["seconds_per_image"] == pytest.approx((5.0 + 7.0) / 2 / 100)
    assert (five["nfe"], ten["nfe"], ten["lsd"]) == (5.0, 10.0, 10.0)


def test_calls_of_all_kinds_are_averaged_over_the_seeds():
    """Seeds of one budget may have unlike plans, where a plan is searched."""
    runs = table([record("morse", 10, 0, 6, 32), record("morse", 10, 1, 8, 16)])
    (point,) = average_seeds(runs).to_dict("records")
    assert (point["nfe"], point["lsd"]) == ((38 + 24) / 2, 10.0)


def test_no_heavy_imports():
    code = f"import sys, {', '.join(LIGHT)}; print({HEAVY} & {{*sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)
    assert done.stdout.strip() == "set()"
