"""The shape of a model's images, which for a latent model is not that of its network's samples;
whether it takes prompts; and how many images a run has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from morse.experiments.cards import Card

RGB = 3


def images_of_run(config: Mapping[str, Any], task: Card) -> int:
    """How many images a run has: the configuration's number, or the task's if that is smaller."""
    return min(config["images"], task.get("samples", config["images"]))


def takes_guidance(model: Card) -> bool:
    """Whether a model's card is of a text model, whose runs have prompts and a guidance scale."""
    return "guidance" in model["unet"]


def image_shape(model: Card) -> tuple[int, int, int]:
    """(C, H, W) of the images of a model's card.

    An autoencoder halves images once between two of its levels.
    """
    unet = model["unet"]
    if "autoencoder" not in model:
        return unet["channels"], unet["sample_size"], unet["sample_size"]
    side = unet["sample_size"] * 2 ** (len(model["autoencoder"]["block_out_channels"]) - 1)
    return RGB, side, side
