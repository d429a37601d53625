"""Text-to-image networks, as diffusers' UNet2DConditionModel: Stable Diffusion's (Rombach et al.
2022, arXiv 2112.10752) and SDXL's (Podell et al. 2023, arXiv 2307.01952).

With the settings of config/families they are Stable Diffusion v1 (859,520,964 parameters) and
LCM-SDXL (2,567,545,604), which has the guidance scale as an input.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

from morse.dash.base import Dash
from morse.dash.conditioning import CLASSIFIER_FREE
from morse.dash.guidance import EmbeddedDash, GuidedDash
from morse.dash.text import TOKENS
from morse.schedules.noise import NoiseSchedule

TIME_IDS = 6
"""Numbers that SDXL's network is told of an image's size and crop."""


def build_unet(settings: Mapping[str, Any]) -> UNet2DConditionModel:
    """The network with random weights.

    Args:
        settings: ``sample_size``, ``channels``, ``block_out_channels``, ``layers_per_block``,
            ``attention_levels``, ``norm_num_groups`` (32 if left out), ``heads`` and
            ``transformer_layers`` of each level, ``cross_attention_dim``, ``guidance``, and where
            the network has them ``linear_projection``, ``added`` (``time_width`` and ``pooled`` of
            SDXL's further inputs) and ``guidance_width``.
    """
    levels, attention = len(settings["block_out_channels"]), set(settings["attention_levels"])
    down = tuple("CrossAttnDownBlock2D" if i in attention else "DownBlock2D" for i in range(levels))
    up = tuple("CrossAttnUpBlock2D" if i in attention else "UpBlock2D" for i in reversed(range(levels)))
    further: dict[str, Any] = {}
    if added := settings.get("added"):
        width = added["time_width"]
        further = {"addition_embed_type": "text_time", "addition_time_embed_dim": width}
        further |= {"projection_class_embeddings_input_dim": added["pooled"] + TIME_IDS * width}
    return UNet2DConditionModel(
        sample_size=settings["sample_size"],
        in_channels=settings["channels"],
        out_channels=settings["channels"],
        block_out_channels=tuple(settings["block_out_channels"]),
        layers_per_block=settings["layers_per_block"],
        down_block_types=down,
        up_block_types=up,
        norm_num_groups=settings.get("norm_num_groups", 32),
        attention_head_dim=tuple(settings["heads"]),  # diffusers' name for the number of heads
        transformer_layers_per_block=tuple(settings["transformer_layers"]),
        cross_attention_dim=settings["cross_attention_dim"],
        use_linear_projection=settings.get("linear_projection", False),
        time_cond_proj_dim=settings.get("guidance_width"),
        **further,
    )


def build(settings: Mapping[str, Any], schedule: NoiseSchedule) -> Dash:
    """The model with random weights. ``settings`` as for :func:`build_unet`."""
    network, size = build_unet(settings).eval(), settings["sample_size"]
    estimate = (GuidedDash if settings["guidance"] == CLASSIFIER_FREE else EmbeddedDash)(network)
    added = ((settings["added"]["pooled"],), (TIME_IDS,)) if "added" in settings else ()
    return Dash(
        network,
        estimate,
        schedule,
        (settings["channels"], size, size),
        guidance=settings["guidance"],
        prompt_shapes=((TOKENS, settings["cross_attention_dim"]), *added),
    )
