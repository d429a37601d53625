"""The pixel DDPM family: the U-Net of Ho et al. (2020, arXiv 2006.11239), as diffusers'
UNet2DModel.

The settings that all members share are here and in :mod:`morse.dash.unet`. A card gives the rest.
With the paper's channels the configuration is the authors' network for CIFAR-10 (35,746,307
parameters), CelebA, LSUN-Church and CelebA-HQ.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from morse.dash.base import Dash
from morse.dash.unet import UNet2DModel, as_dash, make_unet
from morse.schedules.noise import NoiseSchedule


def build_unet(settings: Mapping[str, Any]) -> UNet2DModel:
    """The network with random weights. ``settings`` as for :func:`morse.dash.unet.make_unet`."""
    return make_unet(settings, "DownBlock2D", "UpBlock2D", mid_block_scale_factor=1, downsample_padding=0)


def build(settings: Mapping[str, Any], schedule: NoiseSchedule) -> Dash:
    """A member of the family with random weights. ``settings`` as for :func:`build_unet`."""
    return as_dash(build_unet(settings), settings, schedule)
