"""Sizes of published networks and their Dots, and the memory that calls need."""

import pytest
import torch
from networks import tiny_card, tiny_dash, tiny_dot
from test_dash_autoencoder import latent_card
from text_models import text_card

from morse.dash.loading import build_dash
from morse.dot.loading import own_parameters
from morse.dot.sizes import sampling_bytes, sizes_of, training_bytes
from morse.experiments.cards import ROOT, complete_model
from morse.experiments.yaml import read_yaml
from morse.runtime.flops import count, count_parameters, flops

FAMILIES = {path.stem: read_yaml(path) for path in sorted((ROOT / "config" / "families").glob("*.yaml"))}
PAPER = {("stable-diffusion", "v1"): 97_840_000}
"""Networks whose Dot has about the paper's number of parameters of its own instead."""
NETWORKS = [(family, variant) for family, content in FAMILIES.items() for variant in content.get("variants", {})]
LEAST, STEP = 9.0, 16


def published(family, variant, channels=None):
    dot = {"dot": {"channels": channels}} if channels else {}
    card = {"family": family, "variant": variant, "scale": "paper", "tasks": ["shapes"], "dash": {}}
    return complete_model(card | dot, "a card")


@pytest.mark.parametrize(("family", "variant"), NETWORKS)
def test_channels_are_chosen_as_the_recipe_says(family, variant):
    """The largest multiple of 16 with N by FLOPs of 9 or more, and twice as many below."""
    card = published(family, variant)
    first, second = card["dot"]["channels"]
    found = sizes_of(card)
    assert second == 2 * first
    if (paper := PAPER.get((family, variant))) is None:
        wider = sizes_of(published(family, variant, [first + STEP, 2 * (first + STEP)]))
        assert first % STEP == 0 and wider.ratio < LEAST <= found.ratio < 14.0
    else:
        assert found.dot_own == pytest.approx(paper, rel=0.001) and 16.0 < found.ratio < 18.0
    assert 0.7 < found.ratio_without_attention / found.ratio < 1.01
    assert found.ratio_unmerged < found.ratio
    assert found.dash_parameters == FAMILIES[family]["variants"][variant]["parameters"]


def test_sizes_are_those_of_the_networks_themselves():
    card, dash = tiny_card(), tiny_dash()
    found = sizes_of(card)
    counted = flops(dash, tiny_dot(dash), dash.shape)
    assert found.dash_parameters == count_parameters(dash.network)
    assert found.dot_parameters == count_parameters(tiny_dot(dash))
    assert found.dot_own == own_parameters(card)
    assert (found.dash.total, found.dot.total) == (counted["dash"], counted["dot"])
    assert found.dash.attention > 0 and 2 * found.unmerged.total < found.step.total < 4 * found.unmerged.total


def test_memory_grows_with_images_and_a_merged_dot_has_weights_of_its_own():
    card = tiny_card()
    alone, both, shared = (sampling_bytes(card, 4, **how) for how in ({"with_dot": False}, {}, {"merged": False}))
    weights = 4 * sizes_of(card).dash_parameters
    assert alone > weights
    assert alone < shared < both
    assert sampling_bytes(card, 8) - both > 0.8 * (both - sampling_bytes(card, 1)) * 4 / 3


def test_training_keeps_activations_and_moments():
    card = tiny_card()
    assert training_bytes(card, 8) > training_bytes(card, 4) > sampling_bytes(card, 4, merged=False)
    own = 4 * sizes_of(card).dot_own
    assert training_bytes(card, 1) > 4 * own


def test_a_latent_model_s_decoder_is_counted():
    card = latent_card()
    found = sizes_of(card)
    assert found.decode > 0 and sizes_of(tiny_card()).decode == 0
    without = {key: value for key, value in card.items() if key != "autoencoder"}
    assert sampling_bytes(card, 4) > sampling_bytes(without, 4)


@pytest.mark.parametrize("xl", [False, True])
def test_a_text_model_s_parts_are_counted_apart(xl):
    """Sampling holds no text encoders, training holds them. A guided call is two forwards."""
    card, wide = text_card(xl=xl), text_card(xl=xl)
    wide["text"] = wide["text"] | {"encoders": [one | {"layers": 9} for one in wide["text"]["encoders"]]}
    small, large = sizes_of(card), sizes_of(wide)
    dash = build_dash(card)
    assert small.text_parameters == sum(count_parameters(model) for model in dash.encoders.models)
    assert small.autoencoder_parameters == count_parameters(dash.autoencoder.network)
    assert large.encode > 4 * small.encode > 0 and large.dash == small.dash
    assert sampling_bytes(wide, 2) == sampling_bytes(card, 2)
    assert training_bytes(wide, 2) - training_bytes(card, 2) == 4 * (large.text_parameters - small.text_parameters)
    if not xl:
        x, t, text = torch.zeros(1, *dash.shape), torch.zeros(1), torch.zeros(1, *dash.prompt_shapes[0])
        assert small.dash.total == 2 * count(lambda: dash.network(x, t, encoder_hidden_states=text)).total
