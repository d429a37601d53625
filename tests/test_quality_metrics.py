"""Feature files, and the registry of metrics, from files to columns."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from morse.files import DamagedFile
from morse.quality.clip_score import clip_score
from morse.quality.features import Features, joined, read_features
from morse.quality.frechet import frechet_infinity, frechet_with_error
from morse.quality.kid import kid
from morse.quality.metrics import (
    COLUMNS,
    FRECHET,
    METRICS,
    SPLITS_SEED,
    frechet_of,
    measure,
    metrics_by_extractor,
    named_metrics,
    require_metrics,
)
from morse.quality.precision_recall import density_coverage, precision_recall
from morse.quality.prompt_features import PromptFeatures
from morse.quality.statistics import Statistics
from morse.results.speedup_by_metric import DISTANCES

BESIDE = [name for name in METRICS if name != FRECHET]
"""What the configuration may name."""
GROUPS = 10
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
    saved = features()
    saved.save(tmp_path / "f.npz")
    found = Features.load(tmp_path / "f.npz")
    assert (found.extractor, found.data, found.first) == (saved.extractor, saved.data, saved.first)
    assert np.array_equal(found.values, saved.values) and found.values.dtype == np.float32


def test_parts_join_in_any_order():
    whole = features()
    a, b, c = parts_of(whole, 10, 90)
    assert np.array_equal(joined([c, a, b]).values, whole.values)


def test_files_of_parts_are_read_as_one(tmp_path):
    whole = features()
    paths = [tmp_path / f"{number}.npz" for number in range(3)]
    for part, path in zip(parts_of(whole, 10, 90), paths, strict=True):
        part.save(path)
    found = read_features(map(str, paths[::-1]))
    assert np.array_equal(found.values, whole.values)
    assert (found.extractor, found.data, found.first) == (whole.extractor, whole.data, 0)
    with pytest.raises(ValueError, match="image 10 of run are missing"):
        read_features([paths[0], paths[2]])
    with pytest.raises(DamagedFile, match=r"3\.npz is missing"):
        read_features([*paths, tmp_path / "3.npz"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a, b: [a], "the features of image 0 of run are missing or appear twice"),
        (lambda a, b: [b, b], "image 50 of run are missing"),
        (
            lambda a, b: [b, Features(EXTRACTOR, "other", 50, a.values)],
            "features of other by .* and of run by .* do not go together",
        ),
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


def reference_features(extractor=EXTRACTOR):
    return features(150, seed=1, data="shapes/test", extractor=extractor)


def prompts(extractor=EXTRACTOR):
    return PromptFeatures(extractor, "list", 0, np.random.default_rng(2).normal(size=(7, 3)).astype(np.float32))


def measured(names, generated, groups=GROUPS):
    reference = reference_features()
    return measure(names, generated, reference, sums_of(reference), groups, prompts())


@pytest.mark.parametrize("groups", [10, 20])
@pytest.mark.parametrize("name", METRICS)
def test_the_least_number_of_images_is_that_of_the_metric(name, groups):
    least = METRICS[name].least_images(3, groups)
    assert measured([name], features(least), groups)
    if name in ("kid", "frechet_infinity"):
        with pytest.raises(ValueError):
            measured([name], features(least - 1), groups)


def test_the_least_number_of_images_grows_with_the_features_of_infinity_alone():
    assert METRICS["frechet_infinity"].least_images(64, 20) == 206
    assert {METRICS[name].least_images(64, 20) for name in BESIDE if name != "frechet_infinity"} == {20}
    assert METRICS[FRECHET].least_images(64, 20) == 40  # two in each group


def test_metrics_are_those_of_the_library():
    generated, reference = features(), reference_features()
    found = measured(BESIDE, generated)
    expected = kid(generated.values, reference.values, GROUPS)
    assert found["kid"] == {
        "value": expected.value,
        "standard_error": expected.standard_error,
        "without_groups": list(expected.without_groups),
    }
    recall = precision_recall(generated.values, reference.values).recall
    assert found["recall"] == {"value": recall, "standard_error": None, "without_groups": None}
    assert found["coverage"]["value"] == density_coverage(generated.values, reference.values).coverage
    sums = sums_of(reference)
    infinity = frechet_infinity(generated.values, sums.mean, sums.covariance, SPLITS_SEED, GROUPS)
    assert found["frechet_infinity"]["value"] == infinity.value
    assert found["frechet_infinity"]["standard_error"] == infinity.standard_error > 0
    assert measured([], generated) == {}
    score = clip_score(generated.values, prompts().values, GROUPS)
    assert found["clip_score"] == {
        "value": score.value,
        "standard_error": score.standard_error,
        "without_groups": list(score.without_groups),
    }


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_has_the_columns_and_errors_that_the_registry_says(name):
    metric, found = METRICS[name], measured([name], features())
    assert tuple(found) == metric.columns
    assert tuple(column for column in found if found[column]["standard_error"] is not None) == metric.errors
    if metric.distance:  # of which speedups are read off, with the jackknife
        assert len(metric.columns) == 1 and len(found[metric.columns[0]]["without_groups"]) == GROUPS


def test_columns_of_the_tables_are_those_of_all_metrics_beside_the_distance():
    found = measured(BESIDE, features())
    errors = {f"{column}_se" for column, one in found.items() if one["standard_error"] is not None}
    assert set(COLUMNS) == {*found, *errors} and len(COLUMNS) == len(set(COLUMNS))
    assert COLUMNS[:3] == ("kid", "kid_se", "frechet_infinity") and FRECHET not in COLUMNS


@pytest.mark.parametrize("name", [FRECHET, "kid", "frechet_infinity", "clip_score"])
def test_the_jackknife_has_the_groups_that_it_is_told(name):
    for groups in (4, 12):
        assert len(measured([name], features(), groups)[name]["without_groups"]) == groups
    values = [measured([name], features(), groups)[name]["value"] for groups in (4, 12)]
    assert values[0] == pytest.approx(values[1])


def test_the_distance_is_that_of_streamed_statistics():
    generated, reference = features(), reference_features()
    statistics = Statistics.empty(EXTRACTOR, "run", (1, 4, 4), 3, GROUPS)
    statistics.add(generated.values, 0)
    expected = frechet_with_error(statistics, sums_of(reference))
    assert frechet_of(generated, sums_of(reference), GROUPS) == expected and len(expected.without_groups) == GROUPS
    found = measured([FRECHET], generated)[FRECHET]
    assert (found["value"], found["standard_error"]) == (expected.value, expected.standard_error)
    with pytest.raises(ValueError, match="differ in extractor"):
        frechet_of(generated, sums_of(reference_features(extractor="inception/abc")), GROUPS)


def test_a_further_extractor_adds_its_distance_and_the_metrics_that_the_images_allow():
    names = ["kid", "frechet_infinity", "precision_recall"]
    assert named_metrics(names, True, images=100, dim=1280, groups=20) == names
    assert named_metrics(names, False, images=100, dim=1280, groups=20) == [FRECHET, "kid", "precision_recall"]
    assert named_metrics(names, False, images=206, dim=64, groups=20) == [FRECHET, *names]
    assert named_metrics(names, False, images=205, dim=64, groups=20) == [FRECHET, "kid", "precision_recall"]
    assert named_metrics(names, False, images=19, dim=64, groups=20) == [FRECHET]
    assert named_metrics([], True, images=100, dim=64, groups=20) == []


def test_each_extractor_of_a_task_has_its_metrics_and_the_first_may_have_none():
    found = metrics_by_extractor(["kid"], {"small": 64, "large": 1280}, 100, 20)
    assert found == {"small": ["kid"], "large": [FRECHET, "kid"]}
    assert metrics_by_extractor([], {"small": 64, "large": 1280}, 100, 20) == {"large": [FRECHET]}


def test_a_metric_of_prompts_is_by_extractors_that_read_them_alone():
    names = ["clip_score", "kid"]
    assert named_metrics(names, True, images=100, dim=64, groups=20) == ["kid"]
    assert named_metrics(names, True, images=100, dim=64, groups=20, of_prompts=True) == names
    assert named_metrics(names, False, images=100, dim=64, groups=20, of_prompts=True) == [FRECHET, *names]
    found = metrics_by_extractor(names, {"inception": 64, "clip": 12}, 100, 20, ["clip"])
    assert found == {"inception": ["kid"], "clip": [FRECHET, *names]}
    assert metrics_by_extractor(["clip_score"], {"inception": 64, "clip": 12}, 100, 20) == {"clip": [FRECHET]}


def test_a_score_of_prompts_is_no_distance():
    assert not METRICS["clip_score"].distance and "clip_score" not in DISTANCES
    assert {"clip_score", "clip_score_se"} <= set(COLUMNS)


@pytest.mark.parametrize(
    ("given", "said"),
    [(None, "clip_score of run needs features of its prompts"), (prompts("other"), "of prompts by other")],
)
def test_no_prompts_or_those_of_another_extractor_are_refused(given, said):
    reference = reference_features()
    with pytest.raises(ValueError, match=said) as error:
        measure(["clip_score"], features(), reference, sums_of(reference), GROUPS, given)
    assert "\n" not in str(error.value)
    assert measure(["kid"], features(), reference, sums_of(reference), GROUPS, given)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["kid", "frechet_infinty"], "'frechet_infinty'; did you mean 'frechet_infinity'?"),
        ([FRECHET], "'frechet'"),  # which is always computed
        (["second_opinion"], "'second_opinion'; known: clip_score"),
    ],
)
def test_an_unknown_metric_is_one_line(names, said):
    require_metrics(BESIDE)
    with pytest.raises(ValueError) as error:
        require_metrics(names)
    assert str(error.value).startswith(f"unknown metric in quality: metrics {said}") and "\n" not in str(error.value)


@pytest.mark.parametrize(("part", "other"), [("generated", {"extractor": "other"}), ("reference", {"data": "other"})])
def test_unlike_features_are_never_compared(part, other):
    found = {"generated": features(), "reference": reference_features()}
    sums = sums_of(found["reference"])
    found[part] = replace(found[part], **other)
    with pytest.raises(ValueError, match="do not go together"):
        measure(["kid"], found["generated"], found["reference"], sums, GROUPS)
