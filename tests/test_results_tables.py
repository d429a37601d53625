"""Records -> all tables and their files. The tables that ship follow from the runs that ship."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from curves import add_method, curve, curves, latency, measured, timings

from morse.experiments.cards import schema
from morse.experiments.yaml import read_yaml
from morse.files import DamagedFile, write_json
from morse.methods import METHODS
from morse.report.best import best_curves
from morse.report.curves import quality_curves, speedup_against_budget
from morse.report.style import formats, save
from morse.report.text_tables import TEXTS, write_text_tables
from morse.results.best_guidance import BEST_COLUMNS
from morse.results.claims import judge, read_claims
from morse.results.costs import COST_COLUMNS
from morse.results.headline import HEADLINE_COLUMNS
from morse.results.jackknife import COLUMNS as JACKKNIFE_COLUMNS
from morse.results.latency import CALL_COLUMNS, LATENCY_COLUMNS
from morse.results.lossless import with_lossless
from morse.results.paper_layout import read_layout
from morse.results.paper_speedups import paper_speedup_table
from morse.results.records import training_record
from morse.results.runs import CLOCKS, RUN_COLUMNS
from morse.results.speedup import SPEEDUP_COLUMNS, speedup_draws, speedup_table
from morse.results.summary import SUMMARY_COLUMNS, speedup_summary
from morse.results.tables import (
    TABLES,
    make_tables,
    read_latencies,
    read_timings,
    read_trainings,
    warnings,
    write_tables,
)
from morse.results.timing import TIMING_COLUMNS

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "results" / "reference"
QUALITY = {"margin": 0.02, "saturation": 0.05, "max_quality": 5.0}
TRAININGS = {"twin": {"seconds": 1000.0, "hardware": "a GPU"}}
COLUMNS = {
    "runs": [*RUN_COLUMNS, "frechet_wide", "frechet_wide_se"],
    "speedup": [*SPEEDUP_COLUMNS, "lossless_budget", "lossless_speedup", "lossless_speedup_wall", "margin"],
    "summary": SUMMARY_COLUMNS,
    "jackknife": JACKKNIFE_COLUMNS,
    "latency": LATENCY_COLUMNS,
    "call_costs": CALL_COLUMNS,
    "costs": COST_COLUMNS,
    "speedup_by_metric": SPEEDUP_COLUMNS,
    "summary_by_metric": SUMMARY_COLUMNS,
    "best_guidance": BEST_COLUMNS,
    "timing": TIMING_COLUMNS,
    "headline": HEADLINE_COLUMNS,
}


def judged(records, luck):
    """The records with the errors of 10 groups, and the distances by a further extractor."""
    rng = np.random.default_rng(luck)
    for item in records:
        value = item["quality"]["value"]
        without = value * (1 + 0.005 * rng.standard_normal(10))
        error = float(np.sqrt(0.9 * np.square(without - without.mean()).sum()))
        item["quality"] |= {"standard_error": error, "without_groups": without.tolist()}
        wide = {"value": 2 * value, "standard_error": 2 * error, "without_groups": (2 * without).tolist()}
        item["metrics"] = measured({}) | measured({"frechet": wide}, "wide", "FID", "wide/1")
    return records


def tables(records, quality=QUALITY):
    return make_tables(records, [latency()], TRAININGS, quality, timings(records))


@pytest.fixture(scope="module")
def of_morse():
    return tables(judged(curves(1.5), 0))


def test_every_table_has_its_columns_and_rows(of_morse):
    assert {name: list(table.columns) for name, table in of_morse.items()} == COLUMNS and tuple(of_morse) == TABLES
    rows = {"runs": 10, "speedup": 5, "summary": 3, "jackknife": 100, "latency": 1, "call_costs": 2, "costs": 5}
    rows |= {"speedup_by_metric": 10, "summary_by_metric": 4, "best_guidance": 0}  # these take no guidance
    rows |= {"timing": 10, "headline": 6}
    assert {name: len(table) for name, table in of_morse.items()} == rows


def test_costs_are_counted_with_the_measured_latencies(of_morse):
    assert of_morse["runs"]["ratio_measured"].dropna().tolist() == pytest.approx([8.0] * 5)
    (counts,) = of_morse["latency"]["counts"]
    assert counts and of_morse["call_costs"]["call"].tolist() == [".", "D"]
    assert (of_morse["costs"]["training_seconds"] == 1000.0).all() and set(of_morse["costs"]["trained_on"]) == {"a GPU"}


def test_the_settings_of_quality_reach_their_tables(of_morse):
    records = judged(curves(1.5), 0)
    assert set(of_morse["speedup"]["margin"]) == {0.02}
    assert of_morse["summary"]["band"].tolist() == ["all", "before saturation", "quality <= 5"]
    assert not of_morse["speedup"]["saturated"].any() and not of_morse["speedup_by_metric"]["saturated"].any()
    other = tables(records, {"margin": 0.5, "saturation": 1.0, "max_quality": None})  # within twice the best is flat
    assert set(other["speedup"]["margin"]) == {0.5}
    assert other["summary"]["band"].tolist() == ["all", "before saturation"]
    assert other["speedup"]["saturated"].tolist() == [False] * 3 + [True] * 2
    assert other["speedup_by_metric"]["saturated"].tolist() == 2 * ([False] * 3 + [True] * 2)
    budgets = [table["speedup"]["lossless_budget"].sum() for table in (of_morse, other)]
    assert budgets[0] < budgets[1]  # a wider margin passes more


def test_intervals_are_those_of_paired_runs(of_morse):
    records = judged(curves(1.5), 0)
    for item in records:  # all runs of one luck: costs at equal quality are known exactly
        item["quality"]["without_groups"] = (item["quality"]["value"] * np.linspace(0.99, 1.01, 10)).tolist()
    paired = tables(records)
    for name, column in (("speedup", "speedup"), ("summary", "geometric_mean")):
        ends = ([result[name][f"{column}_{end}"][0] for end in ("low", "high")] for result in (paired, of_morse))
        width, other = (np.log(high / low) for low, high in ends)
        assert width < 0.1 * other


def test_every_method_has_rows_and_one_s_do_not_change_those_of_another(monkeypatch, of_morse):
    add_method(monkeypatch)
    both = tables(judged(curves(1.5), 0) + judged(curve("other", 1.2), 1))
    judged_by = ("speedup", "summary", "speedup_by_metric", "summary_by_metric")
    for name in ("runs", "jackknife", "costs", "timing", *judged_by):
        methods = both[name].groupby("method").size()
        assert methods["other"] == methods["morse"] > 0, name
        kept = both[name][both[name]["method"] != "other"].reset_index(drop=True)
        pd.testing.assert_frame_equal(kept, of_morse[name], obj=name)
    for name in ("latency", "call_costs"):
        pd.testing.assert_frame_equal(both[name], of_morse[name])


@pytest.mark.parametrize("method", list(METHODS))
@pytest.mark.parametrize("points", [1, 5])
def test_a_single_method_makes_every_product(method, points, tmp_path):
    """Also with one budget. Hours of sampling must not end in an error."""
    found = tables(judged(curve(method, 1.0)[:points], 0))
    paths = {name: tmp_path / f"{name}.csv" for name in TABLES}
    write_tables(found, paths)
    read = {name: pd.read_csv(path) for name, path in paths.items()}
    for clock in CLOCKS:
        save(quality_curves(read["runs"], read["speedup"], clock, "title"), formats(tmp_path / f"{clock}.png"))
    save(speedup_against_budget(read["speedup"], "title"), formats(tmp_path / "speedup.png"))
    save(best_curves(read["runs"], "title"), formats(tmp_path / "best.png"))
    claims = read_claims(ROOT / "config" / "claims.yaml", schema("claims"))
    read["claims"] = judge(claims, *(read[name] for name in ("runs", "speedup", "latency", "costs")))
    layout = read_layout(ROOT / "config" / "paper_figures.yaml", schema("paper_figures"))
    draws = speedup_draws(read["runs"], read["jackknife"])
    read["paper_speedups"] = paper_speedup_table(layout, claims, read["runs"], read["speedup"], draws)
    for name in TEXTS:
        write_text_tables(read[name], name, *(tmp_path / f"{name}.{kind}" for kind in ("md", "tex", "html")))


def test_baselines_alone_make_tables_without_rows():
    result = tables(judged(curve("baseline", 1.0), 0))
    assert {name: list(table.columns) for name, table in result.items()} == COLUMNS
    assert {name for name, table in result.items() if table.empty} == {
        "speedup", "summary", "costs", "speedup_by_metric", "summary_by_metric", "best_guidance", "headline",
    }  # fmt: skip


def test_written_tables_read_back_the_same(tmp_path, of_morse):
    paths = {name: tmp_path / f"{name}.csv" for name in TABLES}
    write_tables(of_morse, paths)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in paths.values())
    for name, path in paths.items():
        assert path.read_text(encoding="utf-8").splitlines()[0] == ",".join(COLUMNS[name])
        read, table = pd.read_csv(path), of_morse[name]
        for column in table:
            if pd.api.types.is_numeric_dtype(read[column]):
                np.testing.assert_allclose(read[column].to_numpy(float), table[column].to_numpy(float), rtol=1e-12)
            else:
                assert read[column].fillna("").tolist() == table[column].fillna("").tolist()


def test_a_trained_dot_counts_with_its_own_training_and_a_shipped_one_with_its_card_s(tmp_path):
    shipped = {"twin": {"seconds": 1.0, "hardware": "a card's"}, "other": {"seconds": 2.0, "hardware": "a card's"}}
    write_json(training_record({"seconds": 30.0, "sha256": "abc"}, {"device": "cpu"}), tmp_path / "twin.json")
    trainings = read_trainings([tmp_path / "twin.json"], shipped)
    assert trainings == {"twin": {"seconds": 30.0, "hardware": "cpu"}, "other": shipped["other"]}
    assert read_trainings([], shipped) == shipped


def test_timings_read_back_in_order_with_their_paths(tmp_path):
    records = timings(judged(curves(1.5), 0))
    paths = [tmp_path / f"{record['budget']}.json" for record in records]
    for path, record in zip(paths, records, strict=True):
        write_json({key: record[key] for key in record if key != "path"}, path)
    read = read_timings(paths)
    assert read == [record | {"path": str(path)} for path, record in zip(paths, records, strict=True)]


def test_latencies_read_back_in_order_and_a_damaged_file_is_one_line(tmp_path):
    paths = [tmp_path / f"{model}.json" for model in ("b", "a")]
    for path in paths:
        write_json(latency(model=path.stem), path)
    assert [record["model"] for record in read_latencies(paths)] == ["b", "a"]
    paths[0].write_text("{", encoding="utf-8")
    with pytest.raises(DamagedFile, match=r"b\.json is damaged") as error:
        read_latencies(paths)
    assert "\n" not in str(error.value)


def test_warnings_are_those_of_code_device_timings_and_missing_baselines():
    records, latencies = judged(curves(1.5), 0), [latency() | {"provenance": {"device": "cpu"}}]
    timed = timings(records)
    runs = make_tables(records, latencies, TRAININGS, QUALITY, timed)["runs"]
    assert warnings(runs, latencies, ["l.json"], timed) == []
    elsewhere = [latency()], ["l.json"], [timed[0] | {"provenance": {"device": "a GPU", "code": "v1"}}]
    of_two = runs.assign(code=["v1", "v2"] * 5)
    found = warnings(of_two[of_two["method"] != "baseline"].assign(code=["v1", "v2", "v2", "v2", "v2"]), *elsewhere)
    parts = ("runs of 2 versions of the library", "another device: l.json", "timed on another device", "no speedup")
    assert len(found) == 4 and all(part in line for part, line in zip(parts, found, strict=True))


def as_written(table, tmp_path):
    table.to_csv(tmp_path / "table.csv", index=False)
    return pd.read_csv(tmp_path / "table.csv")


@pytest.mark.parametrize("folder", [".", "precise", "figure4"])
def test_the_shipped_speedups_follow_from_the_shipped_runs(folder, tmp_path):
    names = ("runs", "jackknife", "speedup", "summary")
    runs, jackknife, *expected = (pd.read_csv(REFERENCE / folder / f"{name}.csv") for name in names)
    quality = read_yaml(ROOT / "config" / "config.yaml")["quality"]
    speedups = speedup_table(runs, jackknife, quality["saturation"])
    speedups = with_lossless(speedups, runs, jackknife, quality["margin"])
    summary = speedup_summary(speedups, quality["max_quality"], speedup_draws(runs, jackknife))
    for table, shipped in zip((speedups, summary), expected, strict=True):
        pd.testing.assert_frame_equal(as_written(table, tmp_path), shipped, rtol=1e-9)


def test_the_shipped_verdicts_follow_from_the_shipped_tables(tmp_path):
    tables = [pd.read_csv(REFERENCE / f"{name}.csv") for name in ("runs", "speedup", "latency", "costs")]
    schema = read_yaml(ROOT / "workflow" / "schemas" / "claims.schema.yaml")
    verdicts = as_written(judge(read_claims(ROOT / "config" / "claims.yaml", schema), *tables), tmp_path)
    columns = ["id", "model", "task", "sampler", "verdict", "ours", "bound", "twin", "twin_bound", "twin_task"]
    pd.testing.assert_frame_equal(verdicts[columns], pd.read_csv(REFERENCE / "claims.csv")[columns])


def test_the_shipped_runs_have_the_library_s_columns():
    for path in REFERENCE.rglob("runs.csv"):
        runs = pd.read_csv(path)
        assert list(runs.columns)[: len(RUN_COLUMNS)] == RUN_COLUMNS, path
        assert (runs["nfe"] == runs["dash_calls"] + runs["dot_calls"]).all(), path
