"""The JSON records: what is written of shards, features and measurements is what tables read."""

from dataclasses import replace

import curves
import numpy as np
import pytest

from morse.data.parts import bounds
from morse.experiments.axes import AXES, path_pattern
from morse.files import DamagedFile, write_json
from morse.provenance import provenance
from morse.quality.features import Features
from morse.quality.frechet import frechet_with_error
from morse.quality.metrics import measure
from morse.quality.statistics import Statistics
from morse.results.dot_records import explained_record, read_explained
from morse.results.records import (
    latency_record,
    metrics_record,
    read_records,
    read_training,
    run_record,
    training_record,
)
from morse.results.runs import RUN_COLUMNS, runs_table
from morse.sampling.shards import Shard

MADE_BY = provenance() | {"execution": {"dash": "eager", "dot": "eager"}}
RUN = {
    "model": "twin",
    "task": "shapes",
    "sampler": "ddim",
    "guidance": "none",
    "method": "morse",
    "budget": 6,
    "seed": 0,
}
LETTERS = "D.....D.....D....."
COSTS = {"D": 1.0, ".": 0.2}
IMAGES = np.random.default_rng(0).integers(0, 256, (50, 1, 4, 4), dtype=np.uint8)
GROUPS = 5
EXTRACTOR = "fashion-classifier/abc/rule"
NAME, CAPTION = "fashion-classifier", "Fréchet distance (small classifier)"


def features(images=IMAGES, data="run", extractor=EXTRACTOR):
    values = images[:, 0, 0, :3] / 255 + images[:, 0, 1:2, 0] / 500
    return Features(extractor, data, 0, values.astype(np.float32))


def statistics(of, groups=1):
    result = Statistics.empty(of.extractor, of.data, (1, 4, 4), of.values.shape[1], groups)
    result.add(of.values, 0)
    return result


OF_REFERENCE = features(np.random.default_rng(1).integers(0, 200, (80, 1, 4, 4), dtype=np.uint8), "shapes/test")
REFERENCE = statistics(OF_REFERENCE)


def parts(shards=3):
    """The run's shards. Each took 2 seconds, and 0.5 of them to decode. Their memory differs."""
    places = [bounds(50, shards, number) for number in range(shards)]
    cut = [(IMAGES[first : first + count], first) for first, count in places]
    return [Shard(images, first, 2.0, LETTERS, 1000 + first, MADE_BY, COSTS, 0.5) for images, first in cut]


def record(shards, of=None, images=50, run=RUN):
    of = features() if of is None else of
    return run_record(run, "mini", images, GROUPS, shards, of, REFERENCE, (NAME, CAPTION))


def test_record_says_what_was_run_and_what_it_cost():
    result = record(parts())
    assert result["run"] == RUN and result["run"] is not RUN
    assert (result["scale"], result["images"], result["seconds"]) == ("mini", 50, 6.0)
    assert result["decoding_seconds"] == 1.5
    assert result["memory"] == 1033  # the most that a shard took
    assert result["provenance"] == MADE_BY  # of the shards, whoever records them
    assert (result["plan"], result["costs"]) == (LETTERS, COSTS)


def test_a_run_s_record_has_the_axes_alone_in_their_order():
    """As tables tell runs apart by them; the wildcards of a workflow hold more."""
    result = record(parts(), run={"shard": 0, **dict(reversed(RUN.items()))})
    assert list(result["run"].items()) == [(axis, RUN[axis]) for axis in AXES]


def test_quality_is_the_distance_over_all_images():
    quality = record(parts())["quality"]
    expected = frechet_with_error(statistics(features(), GROUPS), REFERENCE)
    assert quality["value"] == pytest.approx(expected.value)
    assert quality["standard_error"] == pytest.approx(expected.standard_error)
    assert quality["without_groups"] == pytest.approx(expected.without_groups)
    assert len(quality["without_groups"]) == GROUPS
    assert (quality["name"], quality["label"]) == ("frechet", CAPTION)
    assert (quality["extractor_name"], quality["extractor"], quality["reference"]) == (NAME, EXTRACTOR, "shapes/test")


def test_records_of_other_tests_have_the_parts_of_real_ones():
    real, synthetic = record(parts()), curves.record("morse", 10, 0, 5, 40)
    assert real.keys() - synthetic.keys() == {"images_sha256"} and synthetic.keys() <= real.keys()
    assert real["quality"].keys() - synthetic["quality"].keys() == {"without_groups"}
    assert list(real["run"]) == list(synthetic["run"])
    described = metrics_record(NAME, CAPTION, features(), REFERENCE, {})
    assert curves.measured({})["small"].keys() == described.keys()


def test_record_does_not_depend_on_the_cut_into_shards():
    whole, cut = record(parts(1)), record(parts(4))
    assert whole["images_sha256"] == cut["images_sha256"]
    assert whole["quality"] == cut["quality"]
    changed = [replace(shard, images=shard.images ^ np.uint8(shard.first == 0)) for shard in parts(4)]
    assert record(changed)["images_sha256"] != cut["images_sha256"]


def test_the_table_of_runs_reads_every_record():
    def sampled(letters, costs, **executions):
        by = provenance() | {"execution": executions}
        return [replace(shard, letters=letters, costs=costs, provenance=by) for shard in parts()]

    morse = record(sampled(LETTERS, COSTS, dash="eager", dot="compiled"))
    base = record(sampled("DDDDDD", {"D": 1.0}, dash="eager"), run=RUN | {"method": "baseline"})
    table = runs_table([morse, base], {"twin": {"costs": {"D": 1.0, ".": 1 / 6}}})
    assert list(table.columns) == RUN_COLUMNS
    assert table["lsd"].tolist() == pytest.approx([6.0, 3 + 15 / 6.0])
    assert table["lsd_nominal"].tolist() == pytest.approx([6.0, 6.0])
    assert table["seconds_per_image"].tolist() == [6.0 / 50] * 2
    assert table["dash_execution"].tolist() == ["eager", "eager"]
    assert table["dot_execution"].fillna("").tolist() == ["", "compiled"]
    assert table["metric"].unique() == [CAPTION]


def refused(message, shards, of=None, images=50):
    with pytest.raises(ValueError, match=message) as error:
        record(shards, of, images)
    assert "\n" not in str(error.value)


def test_another_number_of_images_is_refused():
    shards = parts()
    refused("33 images and features of 50, not 50", shards[:2])
    refused("33 images and features of 33, not 50", shards[:2], features(IMAGES[:33]))
    refused("the run has 50 images and features of 50, not 60", shards, images=60)


def test_features_of_other_images_are_refused():
    refused("50 images and features of 33, not 50", parts(), features(IMAGES[:33]))
    refused("50 images and features of 67, not 50", parts(), features(np.concatenate([IMAGES, IMAGES[33:]])))


def test_a_record_names_the_cores_of_all_shards():
    *others, last = parts()
    other = replace(last, provenance=provenance() | {"device": "a processor, 16 cores"})
    first = replace(others[0], provenance=provenance() | {"device": "a processor, 2 cores"})
    assert record([first, others[1], other])["provenance"]["device"] == "a processor, 2 and 16 cores"


def test_features_of_another_extractor_are_refused():
    refused("differ in extractor", parts(1), features(extractor="inception/abc/rule"))


def saved(folder, budgets=(6, 7), extractors=("small", "wide")):
    """Files of runs at these budgets and of metrics by each extractor, as the workflow has them."""
    runs, metrics = [], []
    for budget in budgets:
        run = RUN | {"budget": budget}
        path = folder / "records" / f"{path_pattern().format(**run)}.json"
        write_json(record(parts(), run=run), path)
        runs.append(path)
        for name in extractors:
            found = {"kid": {"value": float(budget), "standard_error": 0.1, "without_groups": [1.0, 2.0]}}
            path = folder / "metrics" / path_pattern().format(**run) / f"{name}.json"
            write_json(metrics_record(name, f"by {name}", features(), REFERENCE, found), path)
            metrics.append(path)
    return runs, metrics


def test_records_are_read_with_their_own_metrics_in_whatever_order(tmp_path):
    runs, metrics = saved(tmp_path)
    for order in (metrics, metrics[::-1]):
        first, second = read_records(runs, order)
        assert [one["run"]["budget"] for one in (first, second)] == [6, 7]
        assert {*first["metrics"]} == {*second["metrics"]} == {"small", "wide"}
        assert [one["metrics"]["wide"]["metrics"]["kid"]["value"] for one in (first, second)] == [6.0, 7.0]
        assert first["metrics"]["small"]["label"] == "by small"
    assert [one["metrics"] for one in read_records(map(str, runs), [])] == [{}, {}]


def test_a_record_reads_back_as_it_was_written(tmp_path):
    runs, _ = saved(tmp_path, budgets=(6,))
    assert read_records(runs, []) == [record(parts()) | {"metrics": {}}]


@pytest.mark.parametrize(
    ("content", "said"),
    [('{"node": {"model": "twin"}}', "is the record of another version of the library"), ('{"run": ', "is damaged")],
)
def test_a_record_that_is_damaged_or_of_another_version_is_one_line(tmp_path, content, said):
    runs, metrics = saved(tmp_path)
    runs[1].write_text(content, encoding="utf-8")
    with pytest.raises(DamagedFile) as error:
        read_records(runs, metrics)
    message = str(error.value)
    assert str(runs[1]) in message and said in message and "run again" in message and "\n" not in message


def test_metrics_say_which_extractor_and_which_reference():
    values = measure(["kid"], features(), OF_REFERENCE, REFERENCE, GROUPS)
    result = metrics_record("wide", "FID", features(), REFERENCE, values)
    assert (result["extractor_name"], result["label"]) == ("wide", "FID")
    assert (result["extractor"], result["reference"]) == (EXTRACTOR, "shapes/test")
    assert result["metrics"]["kid"]["value"] == values["kid"]["value"]


def test_the_costs_that_count_are_those_measured_first():
    measurements = [{"costs": {"D": 1.0, ".": cost}} for cost in (0.125, 0.2)]
    result = latency_record("twin", "mini", measurements, {"dash": 8}, {"dash": 5}, "channels_last", {"device": "cpu"})
    assert result["costs"] == {"D": 1.0, ".": 0.125}
    assert [one["costs"]["."] for one in result["measurements"]] == [0.125, 0.2]


def test_the_map_of_what_dot_explains_reads_back_with_its_blanks(tmp_path):
    cells = np.array([[0.5, np.nan], [-3.0, 1.0]])
    content = explained_record("twin", cells, 0.25, [0, 500, 1000], np.array([1.0, 10.0, 50.0]))
    write_json(content, tmp_path / "twin.json")
    assert "NaN" not in (tmp_path / "twin.json").read_text(encoding="utf-8")  # which is no JSON
    result = read_explained(tmp_path / "twin.json")
    np.testing.assert_array_equal(result["explained"], cells)
    assert (result["model"], result["overall"], "line" in result) == ("twin", 0.25, False)
    write_json(explained_record("twin", cells, 0.5, [0, 1], [1, 2], cells - 1.0, 0.25), tmp_path / "both.json")
    both = read_explained(tmp_path / "both.json")
    np.testing.assert_array_equal(both["line"], cells - 1.0)
    assert (both["overall"], both["line_overall"]) == (0.5, 0.25)
    assert (result["s_edges"], result["gap_edges"]) == ([0, 500, 1000], [1.0, 10.0, 50.0])


def test_a_training_says_how_long_it_took_and_where(tmp_path):
    training = {"seconds": 12.5, "sha256": "abc", "steps": 3}
    result = training_record(training, {"device": "a GPU", "code": "v1"})
    assert result == training | {"provenance": {"device": "a GPU", "code": "v1"}}
    write_json(result, tmp_path / "twin.json")
    assert read_training(tmp_path / "twin.json") == {"seconds": 12.5, "hardware": "a GPU"}


def test_a_second_record_of_a_run_and_metrics_without_one_are_refused(tmp_path):
    runs, metrics = saved(tmp_path)
    with pytest.raises(DamagedFile, match=r"is a second record of the run model=twin/task=shapes/.*/budget=6/seed=0"):
        read_records([*runs, runs[0]], metrics)
    with pytest.raises(DamagedFile, match=r"budget=7.*has metrics of a run without a record; delete it"):
        read_records(runs[:1], metrics)
