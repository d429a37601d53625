"""The layout of ermongroup/ddim and pesser/pytorch_diffusion, for the DDPM family.

A file of the second is a mapping from names to tensors. One that the first trained is a list: the
raw weights, the optimiser, epoch, step, and last the EMA weights.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from morse.dash.converters.sources import tensors

TOP = {
    "temb.dense.0": "time_embedding.linear_1",
    "temb.dense.1": "time_embedding.linear_2",
    "conv_in": "conv_in",
    "conv_out": "conv_out",
    "norm_out": "conv_norm_out",
    "mid.block_1": "mid_block.resnets.0",
    "mid.attn_1": "mid_block.attentions.0",
    "mid.block_2": "mid_block.resnets.1",
}
INNER = {
    "temb_proj": "time_emb_proj",
    "nin_shortcut": "conv_shortcut",
    "norm": "group_norm",
    "q": "to_q",
    "k": "to_k",
    "v": "to_v",
    "proj_out": "to_out.0",
}
"""Layers of residual blocks and attentions; others have the same name."""
LEVEL = re.compile(r"(down|up)\.(\d+)\.(block|attn)\.(\d+)\.(.+)\.(weight|bias)")
RESAMPLE = re.compile(r"(down|up)\.(\d+)\.(downsample|upsample)\.conv\.(weight|bias)")
KEPT_BEFORE_EMA = 4
"""Entries of the list that are not the EMA weights."""


def convert(content: Any, unet: Mapping[str, Any]) -> dict[str, Tensor]:
    """The state of the network. Raises ValueError, KeyError for a file of another layout."""
    if isinstance(content, list):
        if len(content) <= KEPT_BEFORE_EMA:
            raise ValueError("it has raw weights alone, with which images are far worse; take one with EMA weights")
        content = content[-1]
    levels = len(unet["block_out_channels"])
    state = {}
    for name, value in tensors(content, "its last entry").items():
        new = _renamed(name.removeprefix("module."), levels)
        is_attention = ".to_" in new
        state[new] = value[:, :, 0, 0] if is_attention and value.ndim == 4 else value
    return state


def _renamed(name: str, levels: int) -> str:
    """diffusers' name of a tensor."""
    if found := RESAMPLE.fullmatch(name):
        way, level, _, kind = found.groups()
        return f"{block_of(way, int(level), levels)}.{way}samplers.0.conv.{kind}"
    if found := LEVEL.fullmatch(name):
        way, level, part, index, layer, kind = found.groups()
        parts = {"block": "resnets", "attn": "attentions"}[part]
        return f"{block_of(way, int(level), levels)}.{parts}.{index}.{INNER.get(layer, layer)}.{kind}"
    for old, new in TOP.items():
        if name.startswith(f"{old}."):
            layer, _, kind = name.removeprefix(f"{old}.").rpartition(".")
            return f"{new}.{INNER.get(layer, layer)}.{kind}" if layer else f"{new}.{kind}"
    raise ValueError(f"it has a tensor {name}")


def block_of(way: str, level: int, levels: int) -> str:
    """Levels count from full resolution in the original, from the deepest in diffusers' way up."""
    return f"down_blocks.{level}" if way == "down" else f"up_blocks.{levels - 1 - level}"
