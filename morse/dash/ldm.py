"""Latent diffusion (Rombach et al. 2022, arXiv 2112.10752): the U-Net for latents of CelebA-HQ, as
diffusers' UNet2DModel.

Blocks are those of Improved DDPM without scales and shifts. A head of attention has 32 channels.
With the paper's channels it is CompVis' celebahq-ldm-vq-4 (274,056,163 parameters). Its images are
made of latents by :mod:`morse.dash.autoencoder`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from morse.dash.base import Dash
from morse.dash.unet import UNet2DModel, as_dash, make_unet, set_heads
from morse.schedules.noise import NoiseSchedule

HEAD_CHANNELS = 32


def heads_of(channels: int) -> int:
    """How many heads an attention of so many channels has."""
    return max(1, channels // HEAD_CHANNELS)


def build_unet(settings: Mapping[str, Any]) -> UNet2DModel:
    """The network with random weights. ``settings`` as for :func:`morse.dash.unet.make_unet`."""
    family = {"flip_sin_to_cos": True, "freq_shift": 0, "norm_eps": 1e-5, "downsample_padding": 1}
    network = make_unet(settings, "DownBlock2D", "UpBlock2D", **family)
    set_heads(network, heads_of)
    return network


def build(settings: Mapping[str, Any], schedule: NoiseSchedule) -> Dash:
    """A member of the family with random weights. ``settings`` as for :func:`build_unet`."""
    return as_dash(build_unet(settings), settings, schedule)
