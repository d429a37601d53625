"""Improved DDPM: the U-Net of Nichol & Dhariwal (2021, arXiv 2102.09672), as diffusers'
UNet2DModel.

It differs from the DDPM family in three ways. The time embedding scales and shifts the
normalisations. All attentions have 4 heads. The network also gives the variance. Its timesteps are
those of 1000 steps, whatever T: it was trained with T = 4000, and hears t / 4. With the paper's
channels it is the authors' network for ImageNet 64 (121,063,942 parameters).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from morse.dash.base import Dash
from morse.dash.unet import SCALE_SHIFT, UNet2DModel, as_dash, make_unet, rescale_time, set_heads
from morse.schedules.grids import training_steps
from morse.schedules.noise import NoiseSchedule

HEADS = 4
LABELS = 1000.0
"""The timesteps that the network hears go up to this."""


def build_unet(settings: Mapping[str, Any]) -> UNet2DModel:
    """The network with random weights. ``settings`` as for :func:`morse.dash.unet.make_unet`."""
    network = make_unet(settings, "DownBlock2D", "UpBlock2D", downsample_padding=1, **SCALE_SHIFT)
    set_heads(network, lambda channels: HEADS)
    return network


def build(settings: Mapping[str, Any], schedule: NoiseSchedule) -> Dash:
    """A member of the family with random weights. ``settings`` as for :func:`build_unet`."""
    network = build_unet(settings)
    rescale_time(network, LABELS / training_steps(schedule, "iDDPM's"))
    return as_dash(network, settings, schedule)
