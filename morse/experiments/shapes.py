"""The shape of a model's images, which for a latent model is not that of its network's samples."""

from __future__ import annotations

from morse.experiments.cards import Card

RGB = 3


def image_shape(model: Card) -> tuple[int, int, int]:
    """(C, H, W) of the images of a model's card.

    An autoencoder halves images once between two of its levels.
    """
    unet = model["unet"]
    if "autoencoder" not in model:
        return unet["channels"], unet["sample_size"], unet["sample_size"]
    side = unet["sample_size"] * 2 ** (len(model["autoencoder"]["block_out_channels"]) - 1)
    return RGB, side, side
