"""Every extractor's card: its kind is there, and its features are what metrics need."""

from dataclasses import replace

import numpy as np
import pytest

from morse.experiments.cards import names, read_card, resource
from morse.quality.extractors import EXTRACTORS, load_extractor

every_card = pytest.mark.parametrize("name", names("extractor"))


@pytest.fixture(scope="module")
def extractors():
    """Those whose weights are on this machine, by name. Each is loaded once."""
    loaded = {}

    def extractor(name):
        weights = read_card("extractor", name).get("weights", {})
        if "source" in weights and not resource(weights["file"]).is_file():
            pytest.skip(f"{weights['file']} is not on this machine")
        if name not in loaded:
            loaded[name] = load_extractor(name)
        return loaded[name]

    return extractor


def images(count=5):
    """Grey noise of 32 x 32, which every extractor reads."""
    return np.random.default_rng(0).integers(0, 256, (count, 1, 32, 32), np.uint8)


def test_every_kind_has_a_card_and_every_card_a_kind():
    assert {read_card("extractor", name)["kind"] for name in names("extractor")} == set(EXTRACTORS)


@pytest.mark.parametrize("kind", list(EXTRACTORS))
def test_every_kind_can_be_imported(kind):
    assert callable(EXTRACTORS[kind])


def test_captions_tell_the_extractors_apart_and_only_inception_s_distance_is_called_fid():
    cards = {name: read_card("extractor", name) for name in names("extractor")}
    assert len({card["caption"] for card in cards.values()}) == len(cards)
    assert {name for name, card in cards.items() if "FID" in card["caption"]} == {
        name for name, card in cards.items() if card["kind"].startswith("inception")
    }


@every_card
def test_features_are_finite_and_of_the_card_s_dimension(extractors, name):
    extractor, card = extractors(name), read_card("extractor", name)
    features = extractor(images())
    assert (features.shape, features.dtype) == ((5, card["dimension"]), np.float64)
    assert np.isfinite(features).all() and features.std(axis=0).max() > 1e-3
    assert (extractor.dim, extractor.label, extractor.name) == (card["dimension"], card["caption"], card["kind"])


@every_card
def test_features_of_an_image_do_not_depend_on_the_batch(extractors, name):
    extractor, x = extractors(name), images()
    together = extractor(x)
    np.testing.assert_allclose(replace(extractor, batch_size=2)(x), together, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(extractor(x[3:4]), together[3:4], rtol=1e-3, atol=1e-4)


@every_card
def test_the_identity_holds_the_uint8_rule_and_the_hash_of_the_weights(extractors, name):
    parts = extractors(name).identity.split("/")
    assert parts[0] == read_card("extractor", name)["kind"] and len(parts[1]) == 64
    assert parts[2].startswith("uint8=")
