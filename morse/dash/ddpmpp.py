"""The continuous-time VP family: DDPM++ of Song et al. (2021, arXiv 2011.13456, appendix H), around
diffusers' UNet2DModel.

It differs from the DDPM family in its residual blocks. They halve and double the resolution
themselves (as in BigGAN), and every residual sum is divided by sqrt(2). The way up has one
attention per level, after its last block. With the paper's channels and 4 blocks per level this is
the authors' network for CIFAR-10 (61,804,419 parameters; with 8 blocks 106,632,579). UNet2DModel's
settings cannot express all of it: :func:`build_unet` changes the rest on the instance.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from diffusers.models.attention_processor import Attention
from diffusers.models.resnet import ResnetBlock2D
from torch import Tensor, nn

from morse.dash.base import Dash
from morse.dash.unet import RESAMPLED, UNet2DModel, as_dash, make_unet
from morse.schedules.noise import NoiseSchedule


class NoAttention(nn.Module):
    """Replaces an attention of UNet2DModel that the family does not have: returns its input."""

    def forward(self, hidden_states: Tensor, **_: Any) -> Tensor:
        return hidden_states


def build_unet(settings: Mapping[str, Any]) -> UNet2DModel:
    """The network with random weights. ``settings`` as for :func:`morse.dash.unet.make_unet`."""
    scale = math.sqrt(2.0)
    network = make_unet(
        settings, "ResnetDownsampleBlock2D", "ResnetUpsampleBlock2D", mid_block_scale_factor=scale, **RESAMPLED
    )
    for module in network.modules():
        if isinstance(module, ResnetBlock2D):
            module.output_scale_factor = scale
            if module.up or module.down:  # their shortcut is a convolution even if the channels stay the same
                module.conv_shortcut = nn.Conv2d(module.in_channels, module.out_channels, 1)
        elif isinstance(module, Attention):
            module.rescale_output_factor = scale
    for block in network.up_blocks:
        attentions = getattr(block, "attentions", None) or []
        for index in range(len(attentions) - 1):
            attentions[index] = NoAttention()
    return network


def build(settings: Mapping[str, Any], schedule: NoiseSchedule) -> Dash:
    """A member of the family with random weights. ``settings`` as for :func:`build_unet`."""
    return as_dash(build_unet(settings), settings, schedule)
