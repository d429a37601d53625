"""Best against best, on power laws whose speedups are known."""

import numpy as np
import pandas as pd
import pytest
from curves import BUDGETS, LATENCIES, add_method, at_scales, curve, curves, measured, power_law, timings

from morse.results.columns import read_table, write_table
from morse.results.envelope import best_points
from morse.results.equal_quality import equal_quality_cost
from morse.results.headline import HEADLINE_COLUMNS, headline_table
from morse.results.jackknife import jackknife_table
from morse.results.runs import runs_table
from morse.results.speedup import speedup_draws, speedup_table
from morse.results.summary import speedup_summary
from morse.results.timing import with_timings

MEANS = ["mean_lsd", "mean_lsd_low", "mean_lsd_high", "mean_wall"]
WORST = "worst_difference_in_standard_errors"


def of_sampler(records, sampler, luck=0, spread=0.0, factor=lambda budget: 1.0):
    """The records with another sampler, their quality times ``factor``, and 10 groups' errors."""
    rng, found = np.random.default_rng(luck), []
    for item in records:
        value = item["quality"]["value"] * factor(item["run"]["budget"])
        without = value * (1 + spread * rng.standard_normal(10))
        error = float(np.sqrt(0.9 * np.square(without - without.mean()).sum()))
        quality = item["quality"] | {"value": value, "standard_error": error, "without_groups": without.tolist()}
        found.append(item | {"run": item["run"] | {"sampler": sampler}, "quality": quality})
    return found


def both(of_baseline, of_morse, sampler, **options):
    """A baseline and a Morse that reach what the power law does at so many times their cost."""
    return of_sampler(curve("baseline", of_baseline) + curve("morse", of_morse), sampler, **options)


def headline(records, timed=None, **options):
    runs = with_timings(runs_table(records, LATENCIES), timings(records) if timed is None else timed)
    return headline_table(runs, records, **options)


def row(table, sampler, against, method="morse", extractor="small"):
    key = ["sampler", "against", "method", "extractor"]
    (found,) = table[(table[key] == [sampler, against, method, extractor]).all(axis=1)].to_dict("records")
    return found


def test_of_one_sampler_best_is_own_and_the_summary_s():
    records = both(1.0, 1.5, "ddim", spread=0.01)
    table = headline(records)
    assert list(table.columns) == HEADLINE_COLUMNS
    assert table[["sampler", "against"]].to_numpy().tolist() == [["best", "best"], ["ddim", "best"], ["ddim", "own"]]
    own = row(table, "ddim", "own")
    for other in (row(table, "ddim", "best"), row(table, "best", "best")):
        assert [other[name] for name in MEANS] == pytest.approx([own[name] for name in MEANS], rel=1e-12)
        assert (other["budgets"], other[WORST]) == (own["budgets"], own[WORST]) and own["budgets"] == "4 8 16 32 64"
    runs = with_timings(runs_table(records, LATENCIES), timings(records))
    jackknife = jackknife_table(records)
    speedups = speedup_table(runs, jackknife)
    summary = speedup_summary(speedups, draws=speedup_draws(runs, jackknife)).set_index("band").loc["before saturation"]
    ends = [f"geometric_mean{end}" for end in ("", "_low", "_high", "_wall")]
    assert [own[name] for name in MEANS] == summary[ends].tolist()
    assert own["mean_lsd"] == pytest.approx(1.5**0.8)  # at 64 LSD there is a bound of 1
    assert own["mean_lsd_low"] < own["mean_lsd"] < own["mean_lsd_high"]
    assert own[WORST] == (speedups["difference"] / speedups["difference_se"]).max() < 0


def test_against_the_best_baseline_of_any_sampler():
    """B's baseline is twice as fast as A's. At 4 LSD it is better than Morse with A: a bound."""
    table = headline(both(1.0, 1.5, "a") + both(2.0, 2.4, "b"))
    expected = {("a", "own"): 1.5**0.8, ("b", "own"): 1.2**0.8, ("a", "best"): 0.75, ("b", "best"): 1.2**0.8}
    expected["best", "best"] = 1.2**0.8
    assert len(table) == len(expected)
    for (sampler, against), mean in expected.items():
        found = row(table, sampler, against)
        assert found["mean_lsd"] == pytest.approx(mean), (sampler, against)
        assert found["mean_wall"] == pytest.approx(mean / 1.1), (sampler, against)
    assert row(table, "a", "best")["budgets"] == "8 16 32 64"
    assert set(table["budgets"]) == {"8 16 32 64", "4 8 16 32 64"}


def test_the_envelope_has_the_best_sampler_at_each_budget():
    """A is the better one up to 8 LSD, in baselines and in Morse; then B is."""
    few, many = (lambda budget: 1.0 if budget <= 8 else 1.3), (lambda budget: 1.4 if budget <= 8 else 1.0)
    records = both(1.0, 1.5, "a", factor=few) + both(1.0, 1.5, "b", factor=many)
    table = headline(records)
    envelope = power_law(BUDGETS)
    found = row(table, "best", "best")
    assert found["mean_lsd"] == pytest.approx(1.5**0.8) and found["budgets"] == "4 8 16 32 64"
    for sampler, factor in (("a", few), ("b", many)):
        reached = [equal_quality_cost(BUDGETS, envelope, factor(b) * power_law(1.5 * b)) for b in BUDGETS]
        speedups = [one.cost / b for one, b in zip(reached, BUDGETS, strict=True) if one.censored != "below"]
        assert row(table, sampler, "best")["mean_lsd"] == pytest.approx(np.exp(np.mean(np.log(speedups))))
        assert row(table, sampler, "best")["mean_lsd"] < found["mean_lsd"]
    points = best_points(runs_table(records, LATENCIES)).sort_values(["side", "budget"])
    assert points["sampler"].tolist() == 2 * ["a", "a", "b", "b", "b"]
    assert points["side"].tolist() == 5 * ["baseline"] + 5 * ["morse"]
    assert points["quality"].tolist() == pytest.approx([*envelope, *power_law(1.5 * np.array(BUDGETS))])


def test_only_budgets_before_the_envelope_is_flat_count():
    """B is flat from 16 LSD on, where it is as good as A is at 32."""

    def flat(budget):
        return 1.0 if budget <= 16 else power_law(16) / power_law(budget)

    of_a = [item for item in both(1.0, 1.5, "a") if item["run"]["budget"] <= 32]
    table = headline(of_a + both(2.0, 2.4, "b", factor=flat))
    assert row(table, "b", "best")["budgets"] == "4 8" and row(table, "a", "best")["budgets"] == "8"
    assert row(table, "a", "own")["budgets"] == "4 8 16 32"


def test_a_method_that_is_worse_says_by_how_much():
    table = headline(both(1.0, 0.5, "a", spread=0.01) + both(1.0, 1.5, "b", luck=1, spread=0.01))
    worse = row(table, "a", "own")
    assert worse["mean_lsd"] == pytest.approx(0.5) and worse["budgets"] == "8 16 32 64"
    assert worse["mean_lsd_high"] < 0.6 and worse[WORST] > 10
    assert row(table, "a", "best")[WORST] == worse[WORST]
    assert row(table, "b", "own")[WORST] == row(table, "best", "best")[WORST] < 0


def test_the_best_of_noisy_baselines_is_drawn_anew_in_each_draw():
    """Ten equal baselines of unlike luck: in a draw the least of them is below all estimates."""
    alone = both(1.0, 1.5, "a", luck=100, spread=0.02)
    table = headline(alone + [one for k in range(9) for one in of_sampler(curve("baseline", 1.0), f"b{k}", k, 0.02)])
    own, best = row(table, "a", "own"), row(table, "a", "best")
    assert best["mean_lsd"] == pytest.approx(own["mean_lsd"])
    middle = {name: np.sqrt(one["mean_lsd_low"] * one["mean_lsd_high"]) for name, one in (("own", own), ("best", best))}
    assert middle["best"] < 0.97 * middle["own"]


def test_rivals_are_of_the_envelope_and_morse_alone_is_held_against_it(monkeypatch):
    add_method(monkeypatch)
    rival = of_sampler(curve("other", 2.0), "a")
    table = headline(both(1.0, 1.5, "a") + both(1.0, 2.4, "b") + rival)
    assert row(table, "a", "own", "other")["mean_lsd"] == pytest.approx(2.0**0.8)
    assert row(table, "b", "best")["mean_lsd"] == pytest.approx(1.2**0.8)
    assert set(table.loc[table["against"] == "best", "method"]) == {"morse"}


def test_each_extractor_has_rows_of_its_own(tmp_path):
    records = both(1.0, 1.5, "a") + both(1.0, 1.2, "b")
    wide = both(1.0, 0.75, "a") + both(1.0, 1.2, "b")
    for item, other in zip(records, wide, strict=True):
        found = {"value": 2 * other["quality"]["value"], "standard_error": 0.0}
        found["without_groups"] = [2 * value for value in other["quality"]["without_groups"]]
        item["metrics"] = measured({}) | measured({"frechet": found}, "wide", "FID", "wide/1")
    table = headline(records)
    assert table["extractor"].value_counts().to_dict() == {"small": 5, "wide": 5}
    assert row(table, "best", "best")["mean_lsd"] == pytest.approx(1.5**0.8)
    assert row(table, "best", "best", extractor="wide")["mean_lsd"] == pytest.approx(1.2**0.8)
    assert row(table, "a", "own", extractor="wide")["mean_lsd"] == pytest.approx(0.75)
    write_table(table, tmp_path / "headline.csv")
    pd.testing.assert_frame_equal(read_table(tmp_path / "headline.csv"), table, check_dtype=False)


def test_of_several_guidance_scales_the_best_one_counts():
    records = at_scales(of_sampler(curves(1.5), "a"), sampler="guided")
    for item in records:
        item["quality"] = item["quality"] | {"without_groups": [item["quality"]["value"]] * 10}
        if item["run"]["guidance"] == "7.5" and item["run"]["method"] == "baseline":
            item["quality"]["value"] *= 1.2
    table = headline(records)
    assert table[["sampler", "against"]].to_numpy().tolist() == [
        ["best", "best"],
        ["guided", "best"],
        ["guided", "own"],
    ]
    assert table["mean_lsd"].tolist() == pytest.approx([1.5**0.8] * 3)


@pytest.mark.parametrize("method", ["baseline", "morse"])
def test_one_method_alone_gives_no_rows(method):
    table = headline(of_sampler(curve(method, 1.0), "a"))
    assert table.empty and list(table.columns) == HEADLINE_COLUMNS


def test_runs_of_several_devices_have_no_mean_by_wall_clock():
    records = both(1.0, 1.5, "a") + both(2.0, 2.4, "b")
    for item in records[10:]:
        item["provenance"] = item["provenance"] | {"device": "a GPU"}
    table = headline(records)
    assert table.set_index(["sampler", "against"])["mean_wall"].notna().to_dict() == {
        ("best", "best"): False, ("a", "best"): False, ("b", "best"): False, ("a", "own"): True, ("b", "own"): True,
    }  # fmt: skip
