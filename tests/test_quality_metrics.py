"""Feature files, and the metrics beside the distance, from files to columns."""

from itertools import pairwise

import numpy as np
import pytest

from morse.files import DamagedFile
from morse.quality.features import Features, joined
from morse.quality.frechet import frechet_with_error
from morse.quality.kid import kid
from morse.quality.metrics import METRICS, SECOND_OPINION, least_images, second_opinion, secondary_metrics
from morse.quality.precision_recall import density_coverage, precision_recall
from morse.quality.statistics import Statistics
from morse.results.runs import SECONDARY

EXTRACTOR = "fashion-classifier/abc/rule"


def features(count=120, dim=3, seed=0, data="run", extractor=EXTRACTOR):
    return Features(extractor, data, 0, np.random.default_rng(seed).normal(size=(count, dim)).astype(np.float32))


def sums_of(reference):
    sums = Statistics.empty(reference.extractor, reference.data, (1, 4, 4), reference.values.shape[1], groups=1)
    sums.add(reference.values, 0)
    return sums


def parts_of(whole, *cuts):
    edges = [0, *cuts, len(whole.values)]
    return [Features(whole.extractor, whole.data, a, whole.values[a:b]) for a, b in pairwise(edges)]


def test_a_file_restores_the_features(tmp_path):
    made = features()
    made.save(tmp_path / "f.npz")
    found = Features.load(tmp_path / "f.npz")
    assert (found.extractor, found.data, found.first) == (made.extractor, made.data, made.first)
    assert np.array_equal(found.values, made.values) and found.values.dtype == np.float32


def test_parts_join_in_any_order():
    whole = features()
    a, b, c = parts_of(whole, 10, 90)
    assert np.array_equal(joined([c, a, b]).values, whole.values)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a, b: [a], "the features of image 0 of run are missing or stand twice"),
        (lambda a, b: [b, b], "image 50 of run are missing"),
        (lambda a, b: [b, Features(EXTRACTOR, "other", 50, a.values)], "features of other by .* and of run by .* do not go together"),
    ],
)
def test_parts_that_do_not_fit_are_refused(change, message):
    first, second = parts_of(features(), 50)
    with pytest.raises(ValueError, match=message):
        joined(change(second, first))


def test_a_damaged_file_is_one_line(tmp_path):
    (tmp_path / "f.npz").write_bytes(b"PK nothing")
    with pytest.raises(DamagedFile, match=r"file of features .*f.npz is damaged"):
        Features.load(tmp_path / "f.npz")


@pytest.mark.parametrize("name", METRICS)
def test_the_least_number_of_images_is_that_of_the_metric(name):
    least, reference = least_images(name, 3), features(150, seed=1, data="shapes/test")
    assert secondary_metrics([name], features(least), reference, sums_of(reference))
    if name in ("kid", "frechet_infinity"):
        with pytest.raises(ValueError):
            secondary_metrics([name], features(least - 1), reference, sums_of(reference))
    assert least_images("frechet_infinity", 64) == 206


def test_metrics_are_those_of_the_library():
    generated, reference = features(), features(150, seed=1, data="shapes/test")
    made = secondary_metrics(METRICS, generated, reference, sums_of(reference))
    expected = kid(generated.values, reference.values)
    assert made["kid"] == {
        "value": expected.value, "standard_error": expected.standard_error, "without_groups": list(expected.without_groups)
    }  # fmt: skip
    recall = precision_recall(generated.values, reference.values).recall
    assert made["recall"] == {"value": recall, "standard_error": None, "without_groups": None}
    assert made["coverage"]["value"] == density_coverage(generated.values, reference.values).coverage
    assert made["frechet_infinity"]["standard_error"] > 0
    columns = {*made, *(f"{name}_se" for name, found in made.items() if found["standard_error"] is not None)}
    assert columns | {"second_opinion", "second_opinion_se"} == set(SECONDARY)
    assert secondary_metrics([SECOND_OPINION], generated, reference, sums_of(reference)) == {}
    assert secondary_metrics([], generated, reference, sums_of(reference)) == {}


def test_the_second_opinion_is_the_distance_by_the_other_extractor():
    generated, reference = features(extractor="inception/abc"), features(150, seed=1, data="shapes/test", extractor="inception/abc")
    made = second_opinion(generated, sums_of(reference), groups=10)["second_opinion"]
    statistics = Statistics.empty("inception/abc", "run", (1, 4, 4), 3, groups=10)
    statistics.add(generated.values, 0)
    expected = frechet_with_error(statistics, sums_of(reference))
    assert (made["value"], made["standard_error"]) == (expected.value, expected.standard_error)
    assert len(made["without_groups"]) == 10 and made["label"] == "FID"
    with pytest.raises(ValueError, match="differ in extractor"):
        second_opinion(generated, sums_of(features(150, data="shapes/test")), groups=10)


@pytest.mark.parametrize(("part", "other"), [("generated", {"extractor": "other"}), ("reference", {"data": "other"})])
def test_unlike_features_are_never_compared(part, other):
    found = {"generated": features(), "reference": features(150, seed=1, data="shapes/test")}
    sums = sums_of(found["reference"])
    changed = found[part]
    found[part] = Features(other.get("extractor", changed.extractor), other.get("data", changed.data), 0, changed.values)
    with pytest.raises(ValueError, match="do not go together"):
        secondary_metrics(["kid"], found["generated"], found["reference"], sums)
