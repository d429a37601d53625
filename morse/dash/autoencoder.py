"""Autoencoders of latent models: images (B, 3, H, W) in [-1, 1] <-> latents (B, C, h, w).

The one of LDM on CelebA-HQ is a VQ autoencoder with f = 4 (55,322,782 parameters). Its latents are
what the encoder gives, not yet quantised. Decoding quantises them first. They are not scaled
(scale 1.0), though diffusers' LDMPipeline divides them by 0.18215, which spoils its images.

Those of Stable Diffusion and SDXL are KL autoencoders with f = 8 (83,653,863 parameters). Their
latents are the mean of the encoder's distribution, without its noise, so an image has one latent.
They are scaled by 0.18215 and 0.13025. SDXL's overflows in float16.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

SLICE = 4
"""Images at once, which bounds memory: an image of 512 x 512 takes 0.4 GB of activations. They do
not depend on it."""


@dataclass(frozen=True)
class Autoencoder:
    """A frozen autoencoder.

    Attributes:
        network: the module, in float32.
        scale: latents are multiplied by it after encoding.
        factor: H / h.
    """

    network: nn.Module
    scale: float
    factor: int

    @torch.no_grad()
    def encode(self, images: Tensor) -> Tensor:
        """The latents that Dash is trained on."""
        return torch.cat([_latents(self.network.encode(part)) * self.scale for part in images.split(SLICE)])

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Images of latents, not clamped."""
        return torch.cat([self.network.decode(part / self.scale).sample for part in latents.float().split(SLICE)])


def _latents(encoded: Any) -> Tensor:
    return encoded.latents if hasattr(encoded, "latents") else encoded.latent_dist.mode()


def build_autoencoder(settings: Mapping[str, Any]) -> Autoencoder:
    """An autoencoder with random weights.

    Args:
        settings: ``block_out_channels`` from full resolution down, ``layers_per_block``,
            ``latent_channels``, ``norm_num_groups`` (32 if left out), ``scale``, and ``codes`` of
            the quantiser. Without codes it is a KL autoencoder. It may have a ``tile``: larger
            images are decoded in tiles of this height and width, blended where they overlap.
            That takes less memory and changes images a little.
    """
    channels = tuple(settings["block_out_channels"])
    network = _network(settings)(
        down_block_types=("DownEncoderBlock2D",) * len(channels),
        up_block_types=("UpDecoderBlock2D",) * len(channels),
        block_out_channels=channels,
        layers_per_block=settings["layers_per_block"],
        latent_channels=settings["latent_channels"],
        norm_num_groups=settings.get("norm_num_groups", 32),
        **({"sample_size": tile} if (tile := settings.get("tile")) else {}),
    )
    if tile:
        network.enable_tiling()
    return Autoencoder(network.eval().requires_grad_(False), settings["scale"], 2 ** (len(channels) - 1))


def _network(settings: Mapping[str, Any]) -> Callable[..., nn.Module]:
    """diffusers' class. Imported here: models of pixels need neither."""
    if "codes" in settings:
        from diffusers.models.autoencoders.vq_model import VQModel

        return partial(VQModel, num_vq_embeddings=settings["codes"], vq_embed_dim=settings["latent_channels"])
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    return AutoencoderKL
