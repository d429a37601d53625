"""Every published network at its true size, with random weights, on a CPU: Dot trains on it, and
Morse samples with it. docs/scale.md has the seconds and the memory."""

import numpy as np
import pytest
import torch
from networks import shake

from morse.dash.conditioning import conditions_of
from morse.dash.loading import build_dash
from morse.dot.chain_settings import ChainSettings
from morse.dot.chains import ChainSource
from morse.dot.loading import adapted_dot
from morse.dot.lora import merge_lora, own_state
from morse.dot.training import dot_loss
from morse.experiments.cards import ROOT, complete_model
from morse.experiments.yaml import read_yaml
from morse.methods.morse import Morse
from morse.methods.plans import with_ratio
from morse.samplers import make_sampler
from morse.sampling.loop import sample_shard
from morse.training.loop import TrainSettings, train

FAMILIES = {path.stem: read_yaml(path) for path in sorted((ROOT / "config" / "families").glob("*.yaml"))}
NETWORKS = [
    (family, variant)
    for family, content in FAMILIES.items()
    for variant, network in content.get("variants", {}).items()
    if "text" not in network  # too large for a CPU, and with prompts: test_dash_converters_stable_diffusion.py
]
GRID = {"ddpmpp-vp": "log-snr"}
"""Of continuous time; others take the uniform grid of timesteps."""


@pytest.mark.slow
@pytest.mark.parametrize(("family", "variant"), NETWORKS)
def test_dot_trains_and_morse_samples_at_true_size(family, variant):
    card = complete_model(
        {"family": family, "variant": variant, "scale": "paper", "tasks": ["shapes"], "dash": {}}, "a card"
    )
    torch.manual_seed(0)
    dash = build_dash(card)
    dash.network.requires_grad_(False)
    shake(dash.network.conv_out)
    dot = adapted_dot(card, dash)
    before = {name: value.clone() for name, value in own_state(dot).items()}
    images = np.random.default_rng(0).integers(0, 256, (2, *dash.image_shape), np.uint8)
    labels = np.array([0, dash.classes - 1]) if dash.classes else None
    source = ChainSource(dash, images, ChainSettings(chains=1, points=2, normalise=False), "cpu", labels)
    trained = train(dot, dot_loss(dot, source, 0), TrainSettings(steps=1, warmup=0, precision="float32"))
    assert np.isfinite(trained["loss"])
    assert any(not torch.equal(value, before[name]) for name, value in own_state(dot).items())

    plan = with_ratio("D..D..", card["dot"]["ratio"])
    sampler = make_sampler({"kind": "ddim", "options": {"grid": GRID.get(family, "uniform")}}, dash.schedule, plan.nfe)
    predictor = Morse(dash, merge_lora(dot), plan)
    how = {"warm_up": (), "conditions": conditions_of(dash, 0), "decode": dash.decode}
    shard = sample_shard(predictor, sampler, dash.shape, 0, 0, 1, 1, **how)
    assert shard.images.shape == (1, *dash.image_shape) and shard.letters == "D..D.."
    assert 0 < shard.images.std() < 128
