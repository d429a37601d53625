"""Autoencoders of latent models: images (B, 3, H, W) in [-1, 1] <-> latents (B, C, h, w).

The one of LDM on CelebA-HQ is a VQ autoencoder with f = 4 (55,322,782 parameters). Its latents are
what the encoder gives, not yet quantised. Decoding quantises them first. They are not scaled
(scale 1.0), though diffusers' LDMPipeline divides them by 0.18215, which spoils its images.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Autoencoder:
    """A frozen autoencoder.

    Attributes:
        network: the module.
        scale: latents are multiplied by it after encoding.
        factor: H / h.
    """

    network: nn.Module
    scale: float
    factor: int

    @torch.no_grad()
    def encode(self, images: Tensor) -> Tensor:
        """The latents that Dash is trained on."""
        return self.network.encode(images).latents * self.scale

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Images of latents, not clamped."""
        return self.network.decode(latents / self.scale).sample


def build_autoencoder(settings: Mapping[str, Any]) -> Autoencoder:
    """An autoencoder with random weights.

    Args:
        settings: ``block_out_channels`` from full resolution down, ``layers_per_block``,
            ``latent_channels``, ``codes`` (of the quantiser), ``norm_num_groups`` (32 if left out)
            and ``scale``.
    """
    from diffusers.models.autoencoders.vq_model import VQModel  # here: models for pixels do not need it

    channels = tuple(settings["block_out_channels"])
    network = VQModel(
        down_block_types=("DownEncoderBlock2D",) * len(channels),
        up_block_types=("UpDecoderBlock2D",) * len(channels),
        block_out_channels=channels,
        layers_per_block=settings["layers_per_block"],
        latent_channels=settings["latent_channels"],
        num_vq_embeddings=settings["codes"],
        vq_embed_dim=settings["latent_channels"],
        norm_num_groups=settings.get("norm_num_groups", 32),
    )
    return Autoencoder(network.eval().requires_grad_(False), settings["scale"], 2 ** (len(channels) - 1))
