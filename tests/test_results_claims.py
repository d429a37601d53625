"""Verdicts on claims: each kind, never of unlike runs; the file of claims, shipped and damaged."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from morse.experiments.yaml import read_yaml
from morse.methods import MORSE
from morse.results.claim_measures import MEASURES
from morse.results.claims import CLAIM_COLUMNS, DEVIATING, MINIATURE, NOT_RUN, REPRODUCED, judge, read_claims
from morse.results.runs import RUN_COLUMNS
from morse.results.speedup import SPEEDUP_COLUMNS

ROOT = Path(__file__).parents[1]
SHIPPED = ROOT / "config" / "claims.yaml"
SCHEMA = read_yaml(ROOT / "workflow" / "schemas" / "claims.schema.yaml")
BUDGETS = (3, 10, 30, 60, 100)
CELL = {"model": "big", "task": "birds", "sampler": "ddim", "guidance": "none"}
MEAN = {
    "measure": "mean_speedup",
    "metric": "FID",
    "images": 50000,
    "tolerance": 0.1,
    "budgets": {"first": 3, "last": 100, "count": 5},
}


def a_claim(check=MEAN, cells=(CELL,), expected=None, **changes):
    claim = {"id": "mean", "method": "morse", "claim": "twice as fast", "marks": ["N"], "unit": "x"}
    claim |= {"expected": expected or {"value": 2.0}, "check": dict(check), "cells": [dict(cell) for cell in cells]}
    return claim | changes


def some_runs(budgets=BUDGETS, **changes):
    """Runs at each budget; the baseline's quality is 100 over the budget, Morse's 80 over it."""
    rows = [
        {**CELL, "method": method, "budget": budget, "seed": 0, "scale": "paper", "images": 50000, "metric": "FID",
         "quality": at_one / budget, "ratio_measured": ratio}
        for method, at_one, ratio in (("baseline", 100.0, None), ("morse", 80.0, 6.0))
        for budget in budgets
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=RUN_COLUMNS).assign(**changes)


def some_speedups(values, censored=None, budgets=BUDGETS, **changes):
    """Morse's points with these speedups; ``censored`` by budget."""
    shared = {**CELL, "method": "morse", "scale": "paper", "metric": "FID"}
    rows = [
        shared | {"budget": budget, "speedup": value, "censored": (censored or {}).get(budget, "")}
        for budget, value in zip(budgets, values, strict=True)
    ]
    return pd.DataFrame(rows, columns=SPEEDUP_COLUMNS).assign(**changes)


def verdict(claim, runs, speedups):
    table = judge([claim], runs, speedups)
    assert list(table.columns) == CLAIM_COLUMNS and len(table) == 1
    return table.iloc[0]


TWIN = {"model": "big-mini", "task": "clothes", "scale": "mini", "images": 200, "metric": "small distance"}
TWIN_SPEEDUP = {key: TWIN[key] for key in ("model", "task", "scale", "metric")}
NOTHING = pd.DataFrame(columns=RUN_COLUMNS), pd.DataFrame(columns=SPEEDUP_COLUMNS)


@pytest.mark.parametrize(
    ("speedups", "outcome", "ours", "deviation", "said"),
    [
        ((1.6, 1.8, 2.0, 2.2, 2.4), REPRODUCED, 2.0, 0.0, "within the claimed range"),
        ((1.7, 1.9, 2.1, 2.3, 2.5), REPRODUCED, 2.1, 0.05, "within 5 % of the claimed, tolerance 10 %"),
        ((1.0, 1.0, 1.5, 2.0, 2.0), DEVIATING, 1.5, -0.25, "25 % below the claimed"),
        ((3.0, 3.0, 3.0, 3.0, 3.0), DEVIATING, 3.0, 0.5, "50 % above the claimed"),
    ],
)
def test_a_number_at_scale_is_judged_by_its_distance_from_the_claimed(speedups, outcome, ours, deviation, said):
    row = verdict(a_claim(), some_runs(), some_speedups(speedups))
    assert row["verdict"] == outcome and said in row["note"] and "5 budgets of 3 to 100 LSD" in row["note"]
    assert row["ours"] == pytest.approx(ours) and row["deviation"] == pytest.approx(deviation, abs=1e-12)
    assert pd.isna(row["twin"])


@pytest.mark.parametrize(
    ("column", "value"),
    [("scale", "mini"), ("images", 200), ("images", 49999), ("images", 60000), ("metric", "small distance")],
)
def test_unlike_runs_are_never_compared(column, value):
    speedups = some_speedups([2.0] * 5).assign(**({column: value} if column != "images" else {}))
    row = verdict(a_claim(), some_runs(**{column: value}), speedups)
    assert row["verdict"] == NOT_RUN and pd.isna(row["ours"]) and pd.isna(row["deviation"])
    assert f"not comparable: {column} is {value}" in row["note"]


def test_speedups_of_another_metric_are_not_taken_for_the_runs():
    row = verdict(a_claim(), some_runs(), some_speedups([2.0] * 5, metric="KID"))
    assert row["verdict"] == NOT_RUN and pd.isna(row["ours"]) and "do not give this number" in row["note"]


def test_speedups_of_another_method_are_not_taken_for_the_claim_s():
    """Neither at scale nor of a twin; a claim about the other method takes these alone."""
    both = pd.concat([some_speedups([2.0] * 5), some_speedups([5.0] * 5, method="other")])
    row = verdict(a_claim(), some_runs(), both)
    assert (row["verdict"], row["ours"]) == (REPRODUCED, 2.0) and "5 budgets" in row["note"]
    assert verdict(a_claim(method="other"), some_runs(), both)["ours"] == 5.0
    row = verdict(a_claim(), some_runs(), some_speedups([2.0] * 5, method="other"))
    assert row["verdict"] == NOT_RUN and pd.isna(row["ours"]) and "do not give this number" in row["note"]
    of_twin = both.assign(**TWIN_SPEEDUP)
    row = verdict(a_claim(), some_runs(**TWIN), of_twin)
    assert (row["verdict"], row["twin"]) == (MINIATURE, 2.0)
    row = verdict(a_claim(), some_runs(**TWIN), of_twin[of_twin["method"] == "other"])
    assert row["verdict"] == NOT_RUN and pd.isna(row["twin"])


def test_nothing_stands_for_runs_that_were_not_made():
    row = verdict(a_claim(), *NOTHING)
    assert (row["verdict"], row["note"]) == (NOT_RUN, "no run of big birds ddim")
    assert row[["ours", "deviation", "twin"]].isna().all() and row["bound"] == row["twin_bound"] == ""
    other = verdict(a_claim(), some_runs(sampler="ddpm"), some_speedups([2.0] * 5, sampler="ddpm"))
    assert other["verdict"] == NOT_RUN and "only other runs of big" in other["note"]
    baseline = some_runs()[lambda runs: runs["method"] == "baseline"]
    assert verdict(a_claim(), baseline, NOTHING[1])["verdict"] == NOT_RUN


def test_a_twin_s_number_stands_beside_and_reproduces_nothing():
    row = verdict(a_claim(), some_runs(**TWIN), some_speedups([2.0] * 5, {100: "above"}, **TWIN_SPEEDUP))
    assert (row["verdict"], row["twin"], row["twin_bound"], row["twin_model"], row["twin_task"]) == (
        MINIATURE, 2.0, ">=", "big-mini", "clothes",
    )  # fmt: skip
    assert pd.isna(row["ours"]) and pd.isna(row["deviation"])
    assert "small distance, 200 images" in row["note"]


def test_a_twin_under_the_paper_s_scale_is_no_twin_and_no_run_of_the_claim():
    changes = TWIN | {"scale": "paper", "metric": "FID", "images": 50000}
    speedups = some_speedups([2.0] * 5, model="big-mini", task="clothes")
    assert verdict(a_claim(), some_runs(**changes), speedups)["verdict"] == NOT_RUN


def test_a_twin_on_two_tasks_gives_two_rows_and_a_run_at_scale_hides_it():
    tasks = ("clothes", "digits")
    runs = [some_runs(**TWIN | {"task": task}) for task in tasks]
    speedups = [some_speedups([2.0 + i] * 5, **TWIN_SPEEDUP | {"task": task}) for i, task in enumerate(tasks)]
    table = judge([a_claim()], pd.concat(runs), pd.concat(speedups))
    assert table["verdict"].tolist() == [MINIATURE, MINIATURE]
    assert table["twin_task"].tolist() == list(tasks) and table["twin"].tolist() == [2.0, 3.0]
    runs = pd.concat([*runs, some_runs()])
    row = verdict(a_claim(), runs, pd.concat([*speedups, some_speedups([2.0] * 5)]))
    assert row["verdict"] == REPRODUCED and pd.isna(row["twin"])
    row = verdict(a_claim(), runs, pd.concat([*speedups, some_speedups([2.0] * 5, {3: "above"})]))
    assert (row["verdict"], row["ours"], row["bound"]) == (NOT_RUN, 2.0, ">=") and pd.isna(row["twin"])


@pytest.mark.parametrize("budgets", [(3, 10, 30, 60, 90), (4, 10, 30, 60, 100), (3, 100)])
def test_an_average_over_too_few_budgets_is_not_the_claim_s(budgets):
    row = verdict(a_claim(), some_runs(budgets), some_speedups([2.0] * len(budgets), budgets=budgets))
    assert row["verdict"] == NOT_RUN and pd.isna(row["ours"])
    assert "the claim needs 5 or more from 3 to 100 LSD" in row["note"]


def test_budgets_outside_the_range_and_those_left_out_do_not_count():
    budgets = (1, *BUDGETS[:-1], 80, 100, 200)
    speedups = some_speedups([50.0, 2.0, 2.0, 2.0, 2.0, 2.0, 7.0, 50.0], budgets=budgets)
    cell = CELL | {"leave_out": [100]}
    assert verdict(a_claim(cells=[cell]), some_runs(budgets), speedups)["ours"] == 2.0
    assert verdict(a_claim(), some_runs(budgets), speedups)["ours"] == pytest.approx(17 / 6)


@pytest.mark.parametrize(
    ("value", "censored", "bound", "outcome"),
    [
        (2.0, {3: "above"}, ">=", NOT_RUN),  # the true mean may lie above the range
        (2.5, {3: "above"}, ">=", DEVIATING),  # or is above it for sure
        (2.0, {3: "below"}, "<=", NOT_RUN),
        (1.5, {3: "below"}, "<=", DEVIATING),
        (2.5, {3: "above", 100: "below"}, "?", NOT_RUN),
    ],
)
def test_a_bound_decides_only_what_it_can(value, censored, bound, outcome):
    row = verdict(a_claim(), some_runs(), some_speedups([value] * 5, censored))
    assert (row["verdict"], row["ours"], row["bound"]) == (outcome, value, bound)
    assert pd.isna(row["deviation"]) == (outcome == NOT_RUN)


def test_a_lower_bound_reproduces_a_claim_without_upper_end():
    best = a_claim(MEAN | {"measure": "best_speedup", "tolerance": 0.0}, expected={"low": 4.0})
    assert verdict(best, some_runs(), some_speedups([5.0, 2.0, 2.0, 1.0, 1.0], {3: "above"}))["verdict"] == REPRODUCED
    assert verdict(best, some_runs(), some_speedups([5.0, 2.0, 2.0, 1.0, 1.0], {100: "below"}))["verdict"] == REPRODUCED
    assert verdict(best, some_runs(), some_speedups([5.0, 2.0, 2.0, 1.0, 1.0], {3: "below"}))["verdict"] == NOT_RUN
    assert verdict(best, some_runs(), some_speedups([3.9, 2.0, 2.0, 1.0, 1.0]))["verdict"] == DEVIATING


def test_the_other_measures_read_their_own_cells():
    runs, speedups = some_runs(), some_speedups([1.0, 2.0, 3.0, 4.0, 5.0])
    shared = {"metric": "FID", "images": 50000, "tolerance": 0.0}
    at = a_claim({"measure": "speedup", "budget": 30, **shared}, expected={"value": 3.0})
    baseline = a_claim({"measure": "quality", "budget": 10, "method": "baseline", **shared}, expected={"value": 10.0})
    morse = a_claim({"measure": "quality", "budget": 10, "method": "morse", **shared}, expected={"value": 8.0})
    of_ratio = {"measure": "ratio", "tolerance": 0.0}
    ratio = a_claim(of_ratio, cells=[{"model": "big"}], expected={"low": 5.0, "high": 10.0})
    table = judge([at, baseline, morse, ratio], runs, speedups)
    assert table["ours"].tolist() == [3.0, 10.0, 8.0, 6.0] and (table["verdict"] == REPRODUCED).all()


def test_dot_s_size_and_training_are_read_from_the_tables_of_costs():
    parameters = [97_840_000, 97_840_000, 1_000_000]
    latencies = pd.DataFrame({"model": ["big", "big", "big-mini"], "dot_own_parameters": parameters})
    trained = {"model": ["big", "big-mini"], "trained_on": ["8 x NVIDIA A100", "CPU, 2 cores"]}
    trained["training_seconds"] = [190 * 3600.0, 5000.0]
    of_big = {"cells": [{"model": "big"}]}
    size = a_claim({"measure": "dot_size", "tolerance": 0.0}, **of_big, expected={"value": 97.84})
    check = {"measure": "training_hours", "hardware": "A100", "tolerance": 0.0}
    hours = a_claim(check, **of_big, expected={"value": 190.0})
    table = judge([size, hours], some_runs(), NOTHING[1], latencies, pd.DataFrame(trained))
    assert table["ours"].tolist() == [97.84, 190.0] and (table["verdict"] == REPRODUCED).all()
    table = judge([size, hours], some_runs(**TWIN), NOTHING[1], latencies, pd.DataFrame(trained))
    assert table["verdict"].tolist() == [MINIATURE, NOT_RUN]  # hours of another machine are no twin's
    assert table["twin"].iloc[0] == 1.0
    assert (judge([size, hours], some_runs(), NOTHING[1])["verdict"] == NOT_RUN).all()


def test_verdicts_from_csv_files_are_the_same(tmp_path):
    tables = {"runs": some_runs(), "speedup": some_speedups([2.0] * 5, {3: "above"})}
    read = []
    for name, table in tables.items():
        table.to_csv(tmp_path / f"{name}.csv", index=False)
        read.append(pd.read_csv(tmp_path / f"{name}.csv"))
    pd.testing.assert_frame_equal(judge([a_claim()], *read), judge([a_claim()], *tables.values()))


def test_the_shipped_claims_are_sound():
    claims = read_claims(SHIPPED, SCHEMA)
    assert len({claim["id"] for claim in claims}) == len(claims) >= 12
    assert all(claim["source"] for claim in claims)
    assert {claim["method"] for claim in claims} == {MORSE}
    check = SCHEMA["properties"]["claims"]["items"]["properties"]["check"]
    assert set(check["properties"]["measure"]["enum"]) == set(MEASURES)
    folders = (ROOT / "config" / kind for kind in ("samplers", "models"))
    samplers, models = ({path.stem: read_yaml(path) for path in folder.glob("*.yaml")} for folder in folders)
    for claim in claims:
        for cell in claim["cells"] if "check" in claim else []:
            assert cell.get("sampler", "ddim") in samplers
            if cell["model"] in models:  # a misspelt task would leave a claim "not run" for ever
                assert cell.get("task") in [None, *models[cell["model"]]["tasks"]]
    nothing = judge(claims, *NOTHING)
    assert (nothing["verdict"] == NOT_RUN).all() and nothing["ours"].isna().all() and nothing["note"].ne("").all()


def test_no_claim_is_reproduced_by_the_miniature_s_last_full_run():
    runs, speedups = (pd.read_csv(ROOT / "results" / "reference" / f"{name}.csv") for name in ("runs", "speedup"))
    table = judge(read_claims(SHIPPED, SCHEMA), runs, speedups)
    assert set(table["verdict"]) == {MINIATURE, NOT_RUN} and table["ours"].isna().all()


def without(key):
    return yaml.safe_dump({name: value for name, value in read_yaml(SHIPPED).items() if name != key})


def damaged(change):
    content = read_yaml(SHIPPED)
    change(content["claims"])
    return yaml.safe_dump(content)


def spoilt_check(number, **changes):
    return damaged(lambda claims: claims[number]["check"].update(changes))


def without_key_of_check(number, key):
    return damaged(lambda claims: claims[number]["check"].pop(key))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("claims: [", "not YAML"),
        ("", "top level"),
        (without("claims"), "'claims' is a required property"),
        (without("method"), "'method' is a required property"),
        (without("sources"), "'sources' is a required property"),
        (damaged(lambda claims: claims.append(claims[0])), "claims[20].id: 'overall' appears twice"),
        (damaged(lambda claims: claims[0].update(tolerence=1)), "claims[0]: unknown key 'tolerence'"),
        (damaged(lambda claims: claims[0].update(method="morse")), "claims[0]: unknown key 'method'"),
        (damaged(lambda claims: claims[0].update(marks=["X"])), "claims[0].marks[0]: 'X' is not one of"),
        (
            damaged(lambda claims: claims[0].update(expected={"low": 3.0, "high": 2.0})),
            "claims[0].expected: low 3 is above high 2",
        ),
        (damaged(lambda claims: claims[0].update(expected={"low": 3.0, "value": 2.0})), "claims[0].expected"),
        (spoilt_check(0, measure="speed"), "claims[0].check.measure: 'speed' is not one of"),
        (without_key_of_check(0, "images"), "claims[0].check: 'images' is a required property"),
        (
            damaged(lambda claims: claims[0]["check"]["budgets"].update(first=200)),
            "claims[0].check.budgets: first 200 is above last 100",
        ),
        (without_key_of_check(4, "budget"), "claims[4].check: 'budget' is a required property"),
        (without_key_of_check(15, "hardware"), "claims[15].check: 'hardware' is a required property"),
        (without_key_of_check(8, "method"), "claims[8].check: 'method' is a required property"),
        (damaged(lambda claims: claims[0]["cells"][0].pop("task")), "[0].cells[0]: 'task' is a required property"),
        (damaged(lambda claims: claims[0].pop("check")), "claims[0]: 'unmeasured' is a required property"),
        (damaged(lambda claims: claims[0].update(unmeasured="why")), "claims[0].unmeasured"),
    ],
)
def test_a_damaged_file_is_one_line_that_names_the_key(tmp_path, text, said):
    path = tmp_path / "claims.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError) as error:
        read_claims(path, SCHEMA)
    message = str(error.value)
    assert message.startswith(f"{path}: ") and said in message and "\n" not in message


def test_bytes_that_are_no_text_are_one_line(tmp_path):
    path = tmp_path / "claims.yaml"
    path.write_bytes(b"claims: \xff\xfe")
    with pytest.raises(ValueError, match="claims.yaml: not text in UTF-8"):
        read_claims(path, SCHEMA)


def test_claims_do_not_load_torch():
    code = "import sys, morse.results.claims; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, encoding="utf-8", check=True)
    assert done.stdout.strip() == "False"
