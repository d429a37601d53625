"""The reference statistics that ship are those of the extractor and the images that their cards name."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from morse.data.archive import load_split
from morse.quality.extractors import load_extractor
from morse.quality.frechet import frechet_distance
from morse.quality.statistics import Statistics

ROOT = Path(__file__).parents[1]
CARDS = {path.stem: yaml.safe_load(path.read_text()) for path in (ROOT / "config" / "tasks").glob("*.yaml")}
SHIPPED = [name for name, card in CARDS.items() if "statistics" in card["reference"]]


def test_every_file_is_a_card_s():
    files = {ROOT / CARDS[name]["reference"]["statistics"]["file"] for name in SHIPPED}
    assert files == set((ROOT / "resources" / "statistics").glob("*.npz"))


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_statistics_are_those_made_anew(name):
    card = CARDS[name]
    data, shipped, weights = card["data"], card["reference"]["statistics"], card["extractor"]["weights"]
    found = Statistics.load(ROOT / shipped["file"], shipped["sha256"])
    extractor = load_extractor(card["extractor"] | {"weights": weights | {"file": ROOT / weights["file"]}})
    split = load_split(ROOT / data["file"], card["reference"]["split"], data["size"], data["sha256"])
    made = Statistics.empty(extractor.identity, split.identity, split.images.shape[1:], extractor.dim, groups=1)
    made.add(extractor(split.images), 0)
    found.require_alike(made, "extractor", "data", "image_shape")
    assert found.count == made.count == len(split.images)
    np.testing.assert_allclose(found.mean, made.mean, rtol=1e-4, atol=1e-6)
    assert frechet_distance(found.mean, found.covariance, made.mean, made.covariance) < 1e-6 * np.trace(made.covariance)
