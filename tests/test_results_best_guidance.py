"""The best scale of each point, computed by hand; copies of its runs are a curve of their own."""

import pandas as pd
import pytest
from curves import LATENCIES, at_scales, curves, record

from morse.report.fid_clip import fid_clip
from morse.report.style import save
from morse.results.best_guidance import BEST_COLUMNS, best_guidance_table, best_runs, with_best
from morse.results.jackknife import jackknife_table
from morse.results.runs import runs_table
from morse.results.speedup import speedup_table

QUALITIES = {"1.5": 4.0, "7.5": 3.0, "10": 3.0}


def guided(budget=4, seed=0, **qualities):
    """Runs of the baseline at three scales."""
    made = []
    for scale, quality in (QUALITIES | qualities).items():
        item = record(budget=budget, seed=seed, quality=quality, guidance=scale)
        item["quality"]["without_groups"] = [quality, quality + 0.1]
        made.append(item)
    return made


def table(records):
    return runs_table(records, LATENCIES)


def test_the_least_quality_counts_and_of_equal_ones_the_smaller_scale():
    best = best_guidance_table(table([*guided(), *guided(budget=8, **{"10": 2.0}), *guided(budget=16, **{"1.5": 1.0})]))
    assert list(best.columns) == BEST_COLUMNS
    assert best[["budget", "guidance", "quality"]].to_numpy().tolist() == [
        [4, "7.5", 3.0],
        [8, "10", 2.0],
        [16, "1.5", 1.0],
    ]


def test_the_mean_over_seeds_decides_for_all_of_them():
    runs = table([*guided(seed=0, **{"10": 2.0}), *guided(seed=1, **{"10": 5.0, "1.5": 2.0})])  # means 3.0, 3.0, 3.5
    assert best_runs(runs)["guidance"].tolist() == ["1.5", "1.5"]


def test_runs_of_one_scale_or_of_none_have_no_best():
    runs, jackknife = table([record()]), pd.DataFrame(columns=["quality"])
    assert best_runs(runs).empty and best_guidance_table(runs).empty
    assert with_best(runs, jackknife)[0] is runs
    assert best_runs(table(guided()[:1])).empty


def test_copies_are_a_curve_with_their_own_errors():
    records = guided()
    runs, jackknife = with_best(table(records), jackknife_table(records))
    best = runs[runs["guidance"] == "best"]
    assert len(runs) == 4 and best["quality"].tolist() == [3.0]
    copied = jackknife[jackknife["guidance"] == "best"]
    assert copied["quality"].tolist() == jackknife[jackknife["guidance"] == "7.5"]["quality"].tolist()
    assert list(runs.columns) == list(table(records).columns) and (runs.dtypes == table(records).dtypes).all()


def test_the_best_curve_has_a_speedup():
    """At scale 7.5 all is 1.1 times as far away as at scale 2, which is the best everywhere."""
    worse = at_scales(curves(2.0, se=0.0), ["7.5"])
    for item in worse:
        item["quality"]["value"] *= 1.1
    records = [*at_scales(curves(2.0, se=0.0), ["2"]), *worse]
    for item in records:
        item["quality"]["without_groups"] = [item["quality"]["value"]] * 2
    runs, jackknife = with_best(table(records), jackknife_table(records))
    speedups = speedup_table(runs, jackknife)
    assert sorted({*speedups["guidance"]}) == ["2", "7.5", "best"]
    by_scale = {scale: rows["speedup"].tolist() for scale, rows in speedups.groupby("guidance")}
    assert by_scale["best"] == pytest.approx(by_scale["2"])


def test_the_plane_has_a_line_for_each_method_and_budget(tmp_path):
    runs = table([*at_scales(curves(2.0), ["2", "4.5", "7.5"])])
    runs["clip_score_wide"] = 20.0 + runs["guidance"].astype(float) + runs["budget"] / 10
    figure = fid_clip(runs, "twin", "shapes", "guided")
    (axes,) = figure.axes
    assert len(axes.lines) == 10 and {text.get_text() for text in axes.texts} == {"2", "7.5"}
    save(figure, [tmp_path / "plane.png"])
    assert best_guidance_table(runs)["clip_score"].notna().all()
    with pytest.raises(ValueError, match="no run of twin shapes ddim has a CLIP score"):
        fid_clip(runs, "twin", "shapes", "ddim")
