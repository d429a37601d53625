"""A card and networks small enough for tests: 16 x 16 images, channels 8 and 16."""

import numpy as np
import torch

from morse.dash.base import Dash
from morse.dash.loading import build_dash


def tiny_card(unet=None, dot=None, steps=6):
    """A model card in the form of config/models/*.yaml; ``unet`` and ``dot`` replace entries of theirs."""
    train = {"steps": steps, "learning_rate": 0.01, "warmup": 2, "ema_decay": 0.9, "seed": 0, "checkpoint_every": 2}
    return {
        "family": "ddpm",
        "scale": "mini",
        "tasks": ["shapes"],
        "unet": {"sample_size": 16, "channels": 1, "block_out_channels": [8, 16], "layers_per_block": 1, "attention_levels": [1],
                 "norm_num_groups": 4} | (unet or {}),
        "schedule": {"name": "linear", "num_train_timesteps": 1000, "beta_start": 0.0001, "beta_end": 0.02},
        "training": {"batch_size": 2, "flip": True, "train": train},
        "dot": {
            "channels": [4, 8],
            "rank": 2,
            "preconditioned": True,
            "ratio": 5.0,
            "training": {"chain": {"chains": 2, "points": 3}, "train": dict(train)},
        } | (dot or {}),
    }  # fmt: skip


def tiny_dash(seed=0, **unet) -> Dash:
    """A Dash whose every parameter is random: its output is of order one and depends on x and t."""
    torch.manual_seed(seed)
    dash = build_dash(tiny_card(unet))
    shake(dash.network, seed)
    with torch.no_grad():
        dash.network.conv_out.weight.mul_(4)
    return dash


def tiny_vp_dash(**unet) -> Dash:
    """The same of the continuous family."""
    torch.manual_seed(0)
    dash = build_dash(tiny_card(unet) | {"family": "ddpmpp-vp", "schedule": {"name": "vp-sde"}})
    shake(dash.network)
    return dash


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
