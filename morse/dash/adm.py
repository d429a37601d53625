"""ADM: the U-Net of Dhariwal & Nichol (2021, arXiv 2105.05233), as diffusers' UNet2DModel.

It differs from Improved DDPM in three ways. Residual blocks halve and double the resolution
themselves. Attentions have heads of 64 channels. The embedding of an image's class is added to that
of the time. With the paper's channels it is the authors' class-conditional network for ImageNet 64
(295,904,454 parameters).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from morse.dash.base import Dash
from morse.dash.unet import RESAMPLED, SCALE_SHIFT, UNet2DModel, as_dash, make_unet, set_heads
from morse.schedules.noise import NoiseSchedule

HEAD_CHANNELS = 64


def build_unet(settings: Mapping[str, Any]) -> UNet2DModel:
    """The network with random weights. ``settings`` as for :func:`morse.dash.unet.make_unet`."""
    network = make_unet(settings, "ResnetDownsampleBlock2D", "ResnetUpsampleBlock2D", **SCALE_SHIFT, **RESAMPLED)
    set_heads(network, lambda channels: max(1, channels // HEAD_CHANNELS))
    return network


def build(settings: Mapping[str, Any], schedule: NoiseSchedule) -> Dash:
    """A member of the family with random weights. ``settings`` as for :func:`build_unet`."""
    return as_dash(build_unet(settings), settings, schedule)
