"""A card and networks small enough for tests: 16 x 16 images, channels 8 and 16."""

import numpy as np
import torch

from morse.checkpoints import write_state
from morse.dash.base import Dash
from morse.dash.loading import build_dash, load_dash
from morse.dot.loading import new_dot
from morse.dot.lora import inference_dot
from morse.dot.network import Dot
from morse.experiments.cards import ROOT
from morse.experiments.yaml import read_yaml
from morse.files import sha256


def tiny_card(unet=None, dot=None, steps=6, family="ddpm"):
    """A complete model card; ``unet`` and ``dot`` replace entries of theirs.

    Trainings are in float32, so that equal ones give equal bits on every processor.
    """
    train = {"steps": steps, "learning_rate": 0.01, "warmup": 2, "ema_decay": 0.9, "seed": 0}
    train |= {"precision": "float32", "checkpoint_every": 2}
    data = {"data": "shapes", "split": "train"}
    return {
        "family": family,
        "scale": "mini",
        "tasks": ["shapes"],
        "unet": {
            "sample_size": 16,
            "channels": 1,
            "block_out_channels": [8, 16],
            "layers_per_block": 1,
            "attention_levels": [1],
            "norm_num_groups": 4,
        }
        | (unet or {}),
        "schedule": read_yaml(ROOT / "config" / "families" / f"{family}.yaml")["schedule"],
        "dash": {"file": "dash.safetensors", "sha256": "0" * 64},
        "training": {**data, "batch_size": 2, "flip": True, "train": train},
        "dot": {
            "source": "train",
            "channels": [4, 8],
            "rank": 2,
            "preconditioned": True,
            "memory": 0,
            "ratio": 5.0,
            "training": {**data, "chain": {"chains": 2, "points": 3}, "train": dict(train)},
        }
        | (dot or {}),
    }


def tiny_dash(seed=0, family="ddpm", **unet) -> Dash:
    """A Dash whose every parameter is random: its output is of order one and depends on x and t."""
    torch.manual_seed(seed)
    dash = build_dash(tiny_card(unet, family=family))
    shake(dash.network, seed)
    with torch.no_grad():
        dash.network.conv_out.weight.mul_(4)
    return dash


def tiny_vp_dash(**unet) -> Dash:
    """The same of the continuous family."""
    return tiny_dash(family="ddpmpp-vp", **unet)


def tiny_dot(dash, seed=2) -> Dot:
    """A Dot of that Dash, with random weights of its own everywhere, as it samples."""
    torch.manual_seed(seed)
    dot = new_dot(tiny_card(), dash)
    dot = inference_dot(dot, dot.state_dict())  # no longer shares Dash's parameters
    shake(dot, seed)
    dot.ratio = tiny_card()["dot"]["ratio"]
    return dot


def tiny_zoo(folder):
    """Random networks as files: (card, the prepared file of Dot)."""
    dash, dot = tiny_dash(), folder / "dot.safetensors"
    write_state(dash.network.state_dict(), folder / "dash.safetensors")
    file = {"file": str(folder / "dash.safetensors"), "sha256": sha256(folder / "dash.safetensors")}
    card = tiny_card() | {"dash": file}
    write_state(tiny_dot(dash).state_dict(), dot, dash=load_dash(card).weights)
    return card, dot


def shake(network, seed=0, size=0.1):
    """Adds noise to every parameter, those that start at zero or one too."""
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += size * torch.randn(parameter.shape, generator=rng)


def tiny_images(count=8, channels=1, size=16) -> np.ndarray:
    """uint8 (count, channels, size, size): bright rectangles at random places."""
    rng = np.random.default_rng(0)
    images = np.zeros((count, channels, size, size), np.uint8)
    for image in images:
        top, left = rng.integers(0, size // 2, 2)
        image[:, top : top + size // 2, left : left + size // 3] = rng.integers(100, 256)
    return images


def dot_inputs(batch=2, channels=1, size=16, seed=0):
    """(x_s, x_t, eps_s, s, t) of a call of Dot."""
    rng = torch.Generator().manual_seed(seed)
    x_s, x_t, eps_s = torch.randn((3, batch, channels, size, size), generator=rng)
    s = torch.linspace(200.0, 900.0, batch)
    return x_s, x_t, eps_s, s, s / 2
