"""What the families on diffusers' UNet2DModel share: from a card's ``unet`` settings to the network
and to :class:`Dash`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from diffusers.models.attention_processor import Attention
from diffusers.models.unets.unet_2d import UNet2DModel
from torch import Tensor, nn

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
"""The UNet2DModel settings that these families share, where a family does not say otherwise."""
SCALE_SHIFT = {
    "resnet_time_scale_shift": "scale_shift",
    "flip_sin_to_cos": True,
    "freq_shift": 0,
    "norm_eps": 1e-5,
}
"""What OpenAI's families have instead."""
RESAMPLED = {"downsample_type": "resnet", "upsample_type": "resnet"}
"""Of families whose residual blocks halve and double the resolution themselves."""


def make_unet(settings: Mapping[str, Any], down: str, up: str, **family: Any) -> UNet2DModel:
    """The network, with random weights.

    Args:
        settings: ``sample_size``, ``channels`` (of the image), ``block_out_channels``,
            ``layers_per_block``, ``attention_levels`` (indices of the levels with attention, 0 =
            full resolution) and optionally ``dropout`` (0) and ``norm_num_groups`` (32, as in the
            papers' networks; narrow twins need fewer), ``learned_variance`` (false: the output has
            the image's channels; true: twice as many) and ``classes`` (none: the network takes no
            class).
        down, up: diffusers' names of the family's blocks without attention.
        family: the family's other UNet2DModel settings.
    """
    levels = len(settings["block_out_channels"])
    attention, groups = set(settings["attention_levels"]), settings.get("norm_num_groups", 32)
    if family.get("resnet_time_scale_shift") == "scale_shift":
        family["attn_norm_num_groups"] = groups  # diffusers gives the middle attention none otherwise
    return UNet2DModel(
        sample_size=settings["sample_size"],
        in_channels=settings["channels"],
        out_channels=settings["channels"] * (2 if settings.get("learned_variance") else 1),
        block_out_channels=tuple(settings["block_out_channels"]),
        layers_per_block=settings["layers_per_block"],
        down_block_types=tuple("AttnDownBlock2D" if i in attention else down for i in range(levels)),
        up_block_types=tuple("AttnUpBlock2D" if i in attention else up for i in reversed(range(levels))),
        dropout=settings.get("dropout", 0.0),
        norm_num_groups=groups,
        num_class_embeds=settings.get("classes"),
        **(COMMON | family),
    )


def set_heads(network: UNet2DModel, heads_of: Callable[[int], int]) -> None:
    """Gives each attention the number of heads that its channels have. UNet2DModel has one number
    of channels of a head for all, and parameters are the same."""
    for module in network.modules():
        if isinstance(module, Attention):
            channels = module.to_q.out_features
            module.heads = heads_of(channels)
            module.sliceable_head_dim = module.heads
            module.scale = (channels // module.heads) ** -0.5


class ScaledTime(nn.Module):
    """A time projection that hears every timestep times ``factor``."""

    def __init__(self, projection: nn.Module, factor: float):
        super().__init__()
        self.projection, self.factor = projection, factor

    def forward(self, times: Tensor) -> Tensor:
        return self.projection(times * self.factor)


def rescale_time(network: UNet2DModel, factor: float) -> None:
    """Makes the network hear every timestep times ``factor``. So does a Dot that shares its
    layers."""
    network.time_proj = ScaledTime(network.time_proj, factor)


def as_dash(network: UNet2DModel, settings: Mapping[str, Any], schedule: NoiseSchedule) -> Dash:
    """The network of :func:`make_unet` as a Dash. It is given the schedule's timesteps
    unchanged."""
    network.eval()

    def estimate(x: Tensor, t: Tensor, cond: Tensor | None = None) -> Tensor:
        return network(x, t, class_labels=cond, return_dict=False)[0]

    size = settings["sample_size"]
    return Dash(network, estimate, schedule, (settings["channels"], size, size), classes=settings.get("classes", 0))
