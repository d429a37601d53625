"""Text-to-image networks with random weights on a CPU: prompts are encoded, Dot trains a step, and
Morse makes an image under guidance. docs/scale.md has the seconds and the memory.

Stable Diffusion v1.4 is run at true size. LCM-SDXL is too large, so it is run narrower.
"""

import multiprocessing
import re
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from text_models import AUTOENCODER, encoder_settings, tiny_tokenizer

from morse.dash.conditioning import conditions_of
from morse.dash.loading import build_dash
from morse.dash.text import text_encoders, tokenizer_text
from morse.dot.chain_settings import ChainSettings
from morse.dot.chains import ChainSource
from morse.dot.loading import adapted_dot
from morse.dot.lora import merge_lora, own_state
from morse.dot.training import dot_loss
from morse.experiments.cards import read_card
from morse.methods.morse import Morse
from morse.methods.plans import with_ratio
from morse.samplers import make_sampler
from morse.sampling.loop import sample_shard
from morse.sampling.prompts import encode_prompts
from morse.training.loop import TrainSettings, train

SD, LCM = "coco-sd14", "coco-lcm-sdxl"
LIMIT = 20.0
"""GiB of memory at true size."""


def narrower():
    """LCM-SDXL's card with all its kinds of layers, narrower and for images of 128 x 128."""
    card = read_card("model", LCM)
    unet = {"sample_size": 16, "block_out_channels": [32, 64, 128], "heads": [1, 2, 4], "cross_attention_dim": 20}
    unet |= {"added": {"time_width": 8, "pooled": 6}, "guidance_width": 16}
    encoders = [encoder_settings(12), encoder_settings(8, projection=6, hidden_act="gelu")]
    small = AUTOENCODER | {"block_out_channels": [8, 8, 8, 8]}
    return card | {
        "unet": card["unet"] | unet,
        "autoencoder": card["autoencoder"] | small,
        "text": card["text"] | {"encoders": encoders, "size": 128},
        "dot": card["dot"] | {"channels": [16, 32], "rank": 4},
    }


def kilobytes(name):
    """Of this process's own peak. getrusage's begins with that of the process that started it."""
    return int(re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="utf-8"))[1])


def step_and_run(card, sampler):
    """A training step of Dot, then an image by a call of Dash and two of Dot."""
    torch.manual_seed(0)
    dash = build_dash(card)
    for _, part in dash.parts():
        part.requires_grad_(False)
    tokenizers = [tokenizer_text(*tiny_tokenizer())] * len(dash.encoders.models)
    dash = replace(dash, encoders=text_encoders(card["text"], dash.encoders.models, tokenizers))
    dot = adapted_dot(card, dash)
    before = {name: value.clone() for name, value in own_state(dot).items()}
    images = np.random.default_rng(0).integers(0, 256, (1, *dash.image_shape), np.uint8)
    settings = ChainSettings(chains=1, points=2, normalise=False)
    source = ChainSource(dash, images, settings, captions=["a cat"], estimates=dot.takes.estimates)
    trained = train(dot, dot_loss(dot, source, 0), TrainSettings(steps=1, warmup=0, precision="float32"))
    moved = sum(not torch.equal(value, before[name]) for name, value in own_state(dot).items())

    encoded = encode_prompts(dash, ["a cat on a mat"])
    plan = with_ratio("D..", card["dot"]["ratio"])
    how = {"conditions": conditions_of(dash, 0, encoded=encoded, scale=7.5), "decode": dash.decode, "warm_up": ()}
    predictor = Morse(dash, merge_lora(dot), plan)
    made = make_sampler(read_card("sampler", sampler), dash.schedule, plan.nfe)
    shard = sample_shard(predictor, made, dash.shape, 0, 0, 1, 1, **how)
    return {
        "loss": trained["loss"],
        "moved": moved,
        "prompt": [tuple(tensor.shape) for tensor in encoded.prompts],
        "images": shard.images,
        "letters": shard.letters,
        "peak": kilobytes("VmHWM") / 2**20 if sys.platform == "linux" else 0.0,
    }


def check(found, shape):
    assert np.isfinite(found["loss"]) and found["loss"] > 0 and found["moved"] > 0
    assert found["images"].shape == (1, *shape) and found["letters"] == "D.."
    assert 0 < found["images"].std() < 128


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="other systems state a process's peak memory otherwise")
def test_stable_diffusion_trains_and_samples_at_true_size():
    """In a process of its own, so that its peak memory is not that of other tests."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        found = pool.submit(step_and_run, read_card("model", SD), "ddim-sd").result()
    print(f"peak memory {found['peak']:.1f} GiB")
    check(found, (3, 512, 512))
    assert found["prompt"] == [(1, 77, 768)]
    weights = 2 * 859_520_964 * 4 / 2**30  # Dash, and Dot with merged weights of its own
    assert weights < found["peak"] < LIMIT


def test_lcm_sdxl_trains_and_samples_narrower():
    found = step_and_run(narrower(), "lcm")
    check(found, (3, 128, 128))
    assert found["prompt"] == [(1, 77, 20), (1, 6), (1, 6)]
