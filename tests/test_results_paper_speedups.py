"""Average speedups beside the paper's: every cell has its rows, and none is filled in."""

import numpy as np
import pandas as pd
import pytest
from curves import COSTS, add_method, curve, curves, power_law, record, table

from morse.experiments.cards import resource, schema
from morse.results.claims import read_claims
from morse.results.columns import read_table, write_table
from morse.results.paper_layout import read_layout
from morse.results.paper_speedups import PAPER_SPEEDUP_COLUMNS, paper_claim, paper_speedup_table
from morse.results.runs import RUN_COLUMNS, runs_table
from morse.results.speedup import SPEEDUP_COLUMNS, speedup_draws, speedup_table
from morse.results.summary import speedup_summary

REFERENCE = resource("results/reference/figure4")
SHIPPED = read_layout(resource("config/paper_figures.yaml"), schema("paper_figures"))
CLAIMS = read_claims(resource("config/claims.yaml"), schema("claims"))
CELL = {"model": "big", "task": "birds", "sampler": "ddim", "guidance": "none"}
TWIN = {"model": "twin", "task": "shapes", "sampler": "ddim", "guidance": "none"}
LAYOUT = {
    "budgets": {"first": 4, "last": 64},
    "figures": {"one": {"title": "One", "panels": [
        {"title": "DDIM", "paper": CELL, "mini": TWIN}, {"title": "DDPM", "paper": CELL | {"sampler": "ddpm"}},
    ]}},
}  # fmt: skip
OURS = [
    "metric", "images_of_a_run", "ratio_measured", "band", "budgets_counted", "budgets_excluded", "geometric_mean",
    "geometric_mean_low", "geometric_mean_high", "arithmetic_mean", "bound", "note",
]  # fmt: skip


def a_claim(cells=(CELL,), low=2.0, high=2.0, **changes):
    check = {"measure": "mean_speedup", "metric": "FID", "images": 50000}
    expected = {"value": low} if low == high else {"low": low, "high": high}
    claim = {"id": "mean", "method": "morse", "marks": ["N"], "expected": expected, "check": check}
    return claim | {"cells": list(cells)} | changes


def made(records, claims=(), layout=LAYOUT):
    runs = table(records)
    return paper_speedup_table(layout, claims, runs, speedup_table(runs), speedup_draws(runs))


def at_scale(records):
    """The records as those of the paper's cell."""
    for item in records:
        item["run"] |= CELL
        item |= {"scale": "paper", "images": 50000}
        item["quality"]["label"] = "FID"
    return records


def of_both_scales(paper, mini):
    """Runs by Morse that is so many times faster at each scale."""
    latencies = {name: {"model": name, "costs": COSTS} for name in ("big", "twin")}
    return runs_table([*at_scale(curves(paper)), *curves(mini)], latencies)


def missing(row):
    return [name for name in row.index if pd.isna(row[name]) or row[name] == ""]


def test_a_cell_that_was_run_has_the_summary_s_means():
    runs = table(curves(1.5, se=0.02))
    speedups, draws = speedup_table(runs), speedup_draws(runs)
    result = paper_speedup_table(LAYOUT, [a_claim()], runs, speedups, draws).query("state == 'run'")
    summary = speedup_summary(speedups, draws=draws)
    assert list(result.columns) == PAPER_SPEEDUP_COLUMNS and result["band"].tolist() == summary["band"].tolist()
    for ours, theirs in (("budgets_counted", "points"), ("budgets_excluded", "excluded")):
        assert result[ours].tolist() == summary[theirs].tolist()
    for name in ("geometric_mean", "geometric_mean_low", "geometric_mean_high", "arithmetic_mean"):
        np.testing.assert_array_equal(result[name], summary[name])
    assert set(result["bound"]) == {">="}  # the last point is better than every point of the baseline
    assert set(result["ratio_measured"]) == {8.0} and set(result["images_of_a_run"]) == {100}
    assert set(result["metric"]) == {"Fréchet distance"} and set(result["method"]) == {"morse"}
    assert (result["paper_low"] == 2.0).all() and set(result["marks"]) == {"N"}
    assert set(result["note"]) == {"runs of 4 to 64 LSD; the paper's: FID, 50000 images"}


def test_cells_that_were_not_run_are_never_filled_in():
    result = made(curves(1.5), [a_claim()])
    states = {(row["panel"], row["scale"]): row["state"] for _, row in result.iterrows()}
    assert states == {
        ("DDIM", "paper"): "not run", ("DDIM", "mini"): "run",
        ("DDPM", "paper"): "not run", ("DDPM", "mini"): "no twin",
    }  # fmt: skip
    others = [row for _, row in result.iterrows() if row["state"] != "run"]
    assert len(others) == 3 and all({*OURS, "method"} <= {*missing(row)} for row in others)
    assert [[*row[[*CELL]]] for row in others] == [
        ["big", "birds", "ddim", "none"],
        ["big", "birds", "ddpm", "none"],
        [""] * 4,
    ]
    assert [row["paper_low"] for row in others] == pytest.approx([2.0, np.nan, np.nan], nan_ok=True)


@pytest.mark.parametrize("draws", [None, {"lsd": np.empty((10, 0)), "seconds_per_image": np.empty((10, 0))}])
def test_empty_tables_make_a_row_for_each_cell(draws):
    runs, speedups = pd.DataFrame(columns=RUN_COLUMNS), pd.DataFrame(columns=SPEEDUP_COLUMNS)
    result = paper_speedup_table(SHIPPED, CLAIMS, runs, speedups, draws)
    assert len(result) == 2 * 12 and result[OURS].replace("", np.nan).isna().all(axis=None)
    assert result.query("scale == 'paper'")["state"].eq("not run").all()
    assert result.query("scale == 'mini'")["state"].tolist() == ["not run"] * 5 + ["no twin"] * 7


def test_both_scales_have_rows_of_their_own():
    runs = of_both_scales(1.2, 1.5)
    result = paper_speedup_table(LAYOUT, [a_claim()], runs, speedup_table(runs))
    result = result.query("state == 'run' and band == 'all'")
    assert result["scale"].tolist() == ["paper", "mini"] and result["model"].tolist() == ["big", "twin"]
    assert result["images_of_a_run"].tolist() == [50000, 100]
    # Four points of the speed, and the last, a bound of 1.
    assert result["geometric_mean"].tolist() == pytest.approx([1.2 ** (4 / 5), 1.5 ** (4 / 5)])
    assert result["note"].tolist() == ["runs of 4 to 64 LSD", "runs of 4 to 64 LSD; the paper's: FID, 50000 images"]


def test_only_the_layout_s_budgets_count():
    records = curves(1.5)
    layout = LAYOUT | {"budgets": {"first": 8, "last": 16}}
    result = made(records, layout=layout).query("band == 'all'")
    assert result["budgets_counted"].tolist() == [2] and result["bound"].tolist() == [""]
    assert result["geometric_mean"].item() == pytest.approx(1.5)
    assert result["note"].item() == "runs of 8 to 16 LSD"
    outside = made(records, layout=LAYOUT | {"budgets": {"first": 100, "last": 200}})
    assert "run" not in {*outside["state"]}


def test_speedups_below_are_counted_apart():
    """At the smallest budget Morse is worse than the cheapest baseline."""
    records = [item for item in curves(1.5) if item["run"]["budget"] != 4 or item["run"]["method"] == "baseline"]
    records.append(record("morse", 4, 0, 2, 16, 2 * power_law(4)))
    (row,) = (row for _, row in made(records).query("band == 'all'").iterrows())
    assert (row["budgets_counted"], row["budgets_excluded"]) == (4, 1)


def test_a_single_method_is_a_run_without_a_speedup():
    for method in ("baseline", "morse"):
        (row,) = (row for _, row in made(curve(method, 1.0), [a_claim()]).query("state == 'run'").iterrows())
        assert {"band", "budgets_counted", "geometric_mean", "arithmetic_mean", "bound"} <= {*missing(row)}
        assert row["method"] == ("" if method == "baseline" else method) and row["paper_low"] == 2.0
        assert "no speedup" in row["note"] and row["images_of_a_run"] == 100


def test_the_paper_s_number_is_beside_its_own_method_only(monkeypatch):
    add_method(monkeypatch)
    result = made(curves(1.5) + curve("other", 1.2), [a_claim()]).query("state == 'run' and band == 'all'")
    assert result["method"].tolist() == ["morse", "other"]
    assert result["paper_low"].fillna(0).tolist() == [2.0, 0.0] and result["marks"].tolist() == ["N", ""]
    assert result["geometric_mean"].tolist() == pytest.approx([1.5 ** (4 / 5), 1.2 ** (4 / 5)])


def test_of_several_claims_the_one_about_the_fewest_cells_counts():
    others = [CELL | {"sampler": name} for name in ("ddpm", "unipc")]
    wide, narrow = a_claim([CELL, *others], 1.5, 3.0, id="wide", marks=["P", "N"]), a_claim(id="narrow")
    panel = LAYOUT["figures"]["one"]["panels"][0]
    for claims in ([wide, narrow], [narrow, wide]):
        assert paper_claim(claims, panel)["id"] == "narrow"
    found = paper_claim([wide], panel)
    assert (found["low"], found["high"], found["cells"], found["marks"]) == (1.5, 3.0, 3, "P, N")
    best = a_claim(check={"measure": "best_speedup", "metric": "FID", "images": 1})
    assert paper_claim([best, a_claim(others)], panel) is None and paper_claim([], panel) is None
    left_out = a_claim([CELL | {"leave_out": [100], "images": 30000}])
    row = made(curves(1.5), [left_out]).query("state == 'run'").iloc[0]
    assert row["note"].endswith("the paper's: FID, 30000 images, without 100 LSD")


@pytest.mark.parametrize(
    ("cell", "low", "high", "cells", "marks"),
    [("cifar10-ddpm ddpm", 2.01, 2.01, 1, "N"), ("cifar10-ddpm ddim", 2.94, 2.94, 1, "N"),
     ("cifar10-ddpm dpm-solver", 2.01, 2.94, 5, "P"), ("cifar10-vp euler-maruyama", 2.01, 2.94, 5, "P"),
     ("celeba64-ddim ddim", 2.0, 2.0, 6, "N"), ("coco-sd14 ddim-sd", 2.29, 2.29, 1, "N")],
)  # fmt: skip
def test_the_shipped_claims_say_what_the_sources_do(cell, low, high, cells, marks):
    panels = [panel for figure in SHIPPED["figures"].values() for panel in figure["panels"]]
    (panel,) = (panel for panel in panels if f"{panel['paper']['model']} {panel['paper']['sampler']}" == cell)
    found = paper_claim(CLAIMS, panel)
    assert (found["low"], found["high"], found["cells"], found["marks"]) == (low, high, cells, marks)


def test_draws_of_other_speedups_are_refused_in_one_line():
    runs = table(curves(1.5))
    with pytest.raises(ValueError, match="the speedups are not those of the runs") as error:
        paper_speedup_table(LAYOUT, [], runs, speedup_table(runs).iloc[:-1], speedup_draws(runs))
    assert "\n" not in str(error.value)


def test_it_is_written_and_read_back_with_empty_cells(tmp_path):
    result = made(curves(1.5), [a_claim()])
    write_table(result, tmp_path / "paper_speedups.csv")
    pd.testing.assert_frame_equal(read_table(tmp_path / "paper_speedups.csv"), result, check_dtype=False)


def test_the_shipped_averages_follow_from_the_shipped_runs():
    runs, speedups, jackknife, expected = (
        read_table(REFERENCE / f"{name}.csv") for name in ("runs", "speedup", "jackknife", "paper_speedups")
    )
    result = paper_speedup_table(SHIPPED, CLAIMS, runs, speedups, speedup_draws(runs, jackknife))
    pd.testing.assert_frame_equal(result, expected, check_dtype=False, rtol=1e-9)
    assert expected.query("scale == 'paper'")["state"].eq("not run").all()
    assert set(expected.query("state == 'run'")["scale"]) == {"mini"}
