"""The pixel DDPM family: the U-Net of Ho et al. (2020, arXiv 2006.11239), as diffusers' UNet2DModel.

The settings that every member shares stand here; a card gives the rest. With the paper's channels the configuration is the
authors' network for CIFAR-10 (35,746,307 parameters), CelebA, LSUN-Church and CelebA-HQ.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from morse.dash import Dash
from morse.imports import DIFFUSERS_EXTRAS, without_optional_packages
from morse.schedules import NoiseSchedule

with without_optional_packages("diffusers", *DIFFUSERS_EXTRAS):
    from diffusers.models.unets.unet_2d import UNet2DModel

FAMILY = {
    "center_input_sample": False,
    "time_embedding_type": "positional",
    "freq_shift": 1,
    "flip_sin_to_cos": False,
    "mid_block_scale_factor": 1,
    "downsample_padding": 0,
    "act_fn": "silu",
    "attention_head_dim": None,
    "norm_eps": 1e-6,
    "resnet_time_scale_shift": "default",
}
"""UNet2DModel settings common to the family."""


def build_unet(settings: Mapping[str, Any]) -> UNet2DModel:
    """The network, with random weights.

    Args:
        settings: ``sample_size``, ``channels`` (of the image), ``block_out_channels``, ``layers_per_block``,
            ``attention_levels`` (indices of the levels with attention, 0 = full resolution) and optionally ``dropout`` (0) and
            ``norm_num_groups`` (32, as in the paper's networks; narrow twins need fewer).
    """
    levels = len(settings["block_out_channels"])
    attention = set(settings["attention_levels"])
    down = ["AttnDownBlock2D" if i in attention else "DownBlock2D" for i in range(levels)]
    up = ["AttnUpBlock2D" if i in attention else "UpBlock2D" for i in reversed(range(levels))]
    return UNet2DModel(
        sample_size=settings["sample_size"],
        in_channels=settings["channels"],
        out_channels=settings["channels"],
        block_out_channels=tuple(settings["block_out_channels"]),
        layers_per_block=settings["layers_per_block"],
        down_block_types=tuple(down),
        up_block_types=tuple(up),
        dropout=settings.get("dropout", 0.0),
        norm_num_groups=settings.get("norm_num_groups", 32),
        **FAMILY,
    )


def build(settings: Mapping[str, Any], schedule: NoiseSchedule) -> Dash:
    """A member of the family with random weights; ``settings`` as for :func:`build_unet`."""
    network = build_unet(settings).eval()

    def estimate(x: Tensor, t: Tensor) -> Tensor:
        return network(x, t, return_dict=False)[0]

    size = settings["sample_size"]
    return Dash(network, estimate, schedule, (settings["channels"], size, size))
