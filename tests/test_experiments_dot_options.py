"""Options of `morse train-dot`, means of a training, and the view of own images."""

from types import SimpleNamespace

import pytest
from networks import tiny_card

from morse.experiments.cards import MEANS, dot_training_view, read_card
from morse.experiments.dot_options import PLACES, changes_of, dot_means, own_images_view, with_means

MODEL = "cifar10-ddpm-mini"


def test_every_option_changes_what_it_says():
    options = {"steps": 7, "precision": "float32", "seed": 3, "batch": 4, "accumulate": 2, "checkpointing": True}
    options |= {"processes": 2, "data": "none", "channels": [8, 16]}
    assert set(options) == {*PLACES, "channels"}
    dot = read_card("model", MODEL, changes_of(options))["dot"]
    recipe = dot["training"]
    assert (recipe["train"]["steps"], recipe["train"]["precision"], recipe["train"]["seed"]) == (7, "float32", 3)
    assert (recipe["chain"]["chains"], recipe["data"], dot["channels"]) == (4, "none", [8, 16])
    assert dot_means({"dot": dot}) == {"processes": 2, "accumulate": 2, "gradient_checkpointing": 1}


def test_options_that_are_left_out_change_nothing():
    assert read_card("model", MODEL, changes_of(dict.fromkeys([*PLACES, "channels"]))) == read_card("model", MODEL)


def test_what_a_training_depends_on_is_not_by_which_means():
    plain, card = tiny_card(), tiny_card()
    card["dot"]["training"] |= {"processes": 8, "accumulate": 4, "gradient_checkpointing": True}
    view = dot_training_view(card)
    assert view == dot_training_view(plain)
    assert dot_means(plain) == {"processes": 1, "accumulate": 1, "gradient_checkpointing": 0}
    again = with_means(view, SimpleNamespace(**dot_means(card)))["dot"]["training"]
    assert {key: again[key] for key in MEANS} == {"processes": 8, "accumulate": 4, "gradient_checkpointing": 1}


def test_own_images_depend_on_dash_and_their_settings_alone():
    card = read_card("model", MODEL, changes_of({"data": "none"}))
    view = own_images_view(card)
    assert view["dot"] == {"training": {"own": {"images": 1000, "sampler": "ddim", "calls": 50}}}
    assert view == own_images_view(read_card("model", MODEL, changes_of({"data": "none", "steps": 3})))
    assert view["dash"] == card["dash"]


def test_settings_of_own_images_are_no_part_of_other_cards():
    assert "own" not in read_card("model", MODEL)["dot"]["training"]
    changes = {"dot": {"training": {"data": "none", "own": {"images": 20}}}}
    assert read_card("model", MODEL, changes)["dot"]["training"]["own"]["images"] == 20
    with pytest.raises(ValueError, match="unknown key 'image'"):
        read_card("model", MODEL, {"dot": {"training": {"data": "none", "own": {"image": 20}}}})
