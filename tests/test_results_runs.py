"""The table of runs: costs from calls, what cannot be compared, averages over seeds."""

import subprocess
import sys

import numpy as np
import pytest
from curves import RATIO, record, table

from morse.results.runs import RUN_COLUMNS, average_seeds, check_one_code, runs_table


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


def second(extractor, **changes):
    """A record with the opinion of another extractor."""
    found = {"value": 3.0, "standard_error": 0.1, "label": "FID", "extractor": extractor, "reference": "aa"}
    return record(**changes) | {"metrics": {"second_opinion": found}}


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([record(), record()], "more than one record of the node: .*method=baseline budget=10 seed=0"),
        ([record("morse", 10, 0, 6, 33)], "over its nominal budget: .*method=morse"),
        ([record("baseline", 10, 0, 11)], "over its nominal budget"),
        ([record(), record(seed=1, extractor="large")], "twin on shapes: runs differ in extractor: large, small"),
        ([record(), record(seed=1, reference="bb")], "differ in reference: aa, bb"),
        ([second("inception/a"), second("inception/b", seed=1)], "differ in second_extractor: inception/a, inception/b"),
        ([record(), record(seed=1, images=200)], "differ in images: 100, 200"),
        ([record(), record(seed=1, scale="paper")], "differ in scale"),
        ([record(), record(seed=1, execution={"dash": "compiled"})], "differ in dash_execution: compiled, eager"),
        (
            [
                record(),
                *(
                    record("morse", 10, seed, 6, 32, execution={"dash": "eager", "dot": name})
                    for seed, name in enumerate(["eager", "compiled"])
                ),
            ],
            "differ in dot_execution: compiled, eager",
        ),
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


def test_seeds_are_averaged_with_the_errors_of_their_records():
    runs = table(
        [record(seed=0, quality=1.0, se=0.5), record(seed=1, quality=3.0, se=1.2, seconds=7.0), record(budget=5, quality=4.0, se=0.25)]
    )
    five, ten = average_seeds(runs).to_dict("records")
    assert (five["quality"], five["quality_se"], five["n_seeds"]) == (4.0, 0.25, 1)
    assert (ten["quality"], ten["n_seeds"]) == (2.0, 2)
    assert ten["quality_se"] == pytest.approx(np.hypot(0.5, 1.2) / 2)
    assert ten["seconds_per_image"] == pytest.approx((5.0 + 7.0) / 2 / 100)


def test_no_heavy_imports():
    code = "import sys, morse.results.runs, morse.results.speedup, morse.report.curves; print({'torch', 'snakemake', 'matplotlib.pyplot'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "set()"
