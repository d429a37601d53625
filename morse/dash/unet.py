"""What the families on diffusers' UNet2DModel share: from a card's ``unet`` settings to the network
and to :class:`Dash`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from diffusers.models.unets.unet_2d import UNet2DModel
from torch import Tensor

from morse.dash.base import Dash
from morse.schedules.noise import NoiseSchedule

COMMON = {
    "center_input_sample": False,
    "time_embedding_type": "positional",
    "freq_shift": 1,
    "flip_sin_to_cos": False,
    "act_fn": "silu",
    "attention_head_dim": None,
    "norm_eps": 1e-6,
    "resnet_time_scale_shift": "default",
}
"""The UNet2DModel settings that these families share."""


def make_unet(settings: Mapping[str, Any], down: str, up: str, **family: Any) -> UNet2DModel:
    """The network, with random weights.

    Args:
        settings: ``sample_size``, ``channels`` (of the image), ``block_out_channels``,
            ``layers_per_block``, ``attention_levels`` (indices of the levels with attention, 0 =
            full resolution) and optionally ``dropout`` (0) and ``norm_num_groups`` (32, as in the
            papers' networks; narrow twins need fewer).
        down, up: diffusers' names of the family's blocks without attention.
        family: the family's other UNet2DModel settings.
    """
    levels = len(settings["block_out_channels"])
    attention = set(settings["attention_levels"])
    return UNet2DModel(
        sample_size=settings["sample_size"],
        in_channels=settings["channels"],
        out_channels=settings["channels"],
        block_out_channels=tuple(settings["block_out_channels"]),
        layers_per_block=settings["layers_per_block"],
        down_block_types=tuple("AttnDownBlock2D" if i in attention else down for i in range(levels)),
        up_block_types=tuple("AttnUpBlock2D" if i in attention else up for i in reversed(range(levels))),
        dropout=settings.get("dropout", 0.0),
        norm_num_groups=settings.get("norm_num_groups", 32),
        **COMMON,
        **family,
    )


def as_dash(network: UNet2DModel, settings: Mapping[str, Any], schedule: NoiseSchedule) -> Dash:
    """The network of :func:`make_unet` as a Dash. It is given the schedule's timesteps
    unchanged."""
    network.eval()

    def estimate(x: Tensor, t: Tensor) -> Tensor:
        return network(x, t, return_dict=False)[0]

    size = settings["sample_size"]
    return Dash(network, estimate, schedule, (settings["channels"], size, size))
