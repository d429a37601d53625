"""Shipped reference statistics are of the extractor and the images that their cards name."""

import numpy as np
import pytest

from morse.data.loading import load_split
from morse.experiments.cards import ROOT, names, read_card, resource
from morse.quality.extractors import load_extractor
from morse.quality.frechet import frechet_distance
from morse.quality.statistics import Statistics

SHIPPED = [
    (task, extractor)
    for task in names("task")
    for extractor in read_card("task", task)["reference"].get("statistics", {})
]


def shipped_file(task, extractor):
    return read_card("task", task)["reference"]["statistics"][extractor]


def test_every_file_is_a_card_s():
    assert {resource(shipped_file(*key)["file"]) for key in SHIPPED} == set(
        (ROOT / "resources" / "statistics").glob("*.npz")
    )


@pytest.mark.parametrize(("task", "extractor"), SHIPPED)
def test_shipped_statistics_are_those_made_again(task, extractor):
    card, shipped = read_card("task", task), shipped_file(task, extractor)
    found = Statistics.load(resource(shipped["file"]), shipped["sha256"])
    loaded, split = load_extractor(extractor), load_split(card["data"], card["reference"]["split"])
    again = Statistics.empty(loaded.identity, split.identity, split.images.shape[1:], loaded.dim, groups=1)
    again.add(loaded(split.images), 0)
    found.require_alike(again, "extractor", "data", "image_shape")
    assert found.count == again.count == len(split.images)
    np.testing.assert_allclose(found.mean, again.mean, rtol=1e-4, atol=1e-6)
    assert frechet_distance(found.mean, found.covariance, again.mean, again.covariance) < 1e-6 * np.trace(
        again.covariance
    )
