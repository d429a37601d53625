"""The layout of openai/improved-diffusion and openai/guided-diffusion, for iDDPM and ADM.

A file is a mapping from names to tensors. Queries, keys and values are one convolution. In the new
order (guided-diffusion) all queries come first. In the legacy order each head's three follow each
other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from morse.dash.converters.sources import tensors
from morse.dash.iddpm import HEADS

TOP = {
    "time_embed.0": "time_embedding.linear_1",
    "time_embed.2": "time_embedding.linear_2",
    "input_blocks.0.0": "conv_in",
    "out.0": "conv_norm_out",
    "out.2": "conv_out",
    "middle_block.0": "mid_block.resnets.0",
    "middle_block.1": "mid_block.attentions.0",
    "middle_block.2": "mid_block.resnets.1",
}
LAYERS = {
    "in_layers.0": "norm1",
    "in_layers.2": "conv1",
    "emb_layers.1": "time_emb_proj",
    "out_layers.0": "norm2",
    "out_layers.3": "conv2",
    "skip_connection": "conv_shortcut",
    "norm": "group_norm",
    "proj_out": "to_out.0",
    "op": "conv",
}
"""Layers of residual blocks, attentions and resamplings; others have the same name."""
CLASSES = "label_emb.weight"


def convert(content: Any, unet: Mapping[str, Any]) -> dict[str, Tensor]:
    """The state of ADM's network: the new order. Raises ValueError, KeyError for a file of another
    layout."""
    return convert_heads(content, unet, lambda channels: 1)


def convert_legacy(content: Any, unet: Mapping[str, Any]) -> dict[str, Tensor]:
    """The state of Improved DDPM's network: the legacy order. Raises as :func:`convert`."""
    return convert_heads(content, unet, lambda channels: HEADS)


def convert_heads(content: Any, unet: Mapping[str, Any], heads_of: Callable[[int], int]) -> dict[str, Tensor]:
    """The state of a network whose queries, keys and values are in the legacy order. Raises as
    :func:`convert`.

    With one head the two orders are the same, so the new one is that of one head.

    Args:
        heads_of: channels of an attention -> how many heads it has.
    """
    places, state = dict(places_of(unet)), {}
    for name, value in tensors(content, "it").items():
        if name == CLASSES:
            state["class_embedding.weight"] = value
            continue
        old = next((place for place in places if name.startswith(f"{place}.")), None)
        if old is None:
            raise ValueError(f"it has a tensor {name}")
        layer, _, kind = name.removeprefix(f"{old}.").rpartition(".")
        if layer == "qkv":
            for part, rows in zip(("to_q", "to_k", "to_v"), _split(value, heads_of(len(value) // 3)), strict=True):
                state[f"{places[old]}.{part}.{kind}"] = rows
            continue
        flat = value[:, :, 0] if layer == "proj_out" and value.ndim == 3 else value
        state[".".join(part for part in (places[old], LAYERS.get(layer, layer), kind) if part)] = flat
    return state


def _split(value: Tensor, heads: int) -> tuple[Tensor, ...]:
    """(3 C, C, 1) or (3 C,) -> queries, keys and values, (C, C) or (C,) each."""
    value = value[:, :, 0] if value.ndim == 3 else value
    parts = value.reshape(heads, 3, -1, *value.shape[1:])
    return tuple(torch.cat(list(parts[:, index])) for index in range(3))


def places_of(unet: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each module of the original: its name, and where diffusers has it."""
    levels, blocks = len(unet["block_out_channels"]), unet["layers_per_block"]
    attention, count = set(unet["attention_levels"]), 1
    yield from TOP.items()
    for level in range(levels):
        for index in range(blocks):
            yield f"input_blocks.{count}.0", f"down_blocks.{level}.resnets.{index}"
            if level in attention:
                yield f"input_blocks.{count}.1", f"down_blocks.{level}.attentions.{index}"
            count += 1
        if level < levels - 1:
            yield f"input_blocks.{count}.0", f"down_blocks.{level}.downsamplers.0"
            count += 1
    for place, level in enumerate(reversed(range(levels))):
        for index in range(blocks + 1):
            count = place * (blocks + 1) + index
            yield f"output_blocks.{count}.0", f"up_blocks.{place}.resnets.{index}"
            if level in attention:
                yield f"output_blocks.{count}.1", f"up_blocks.{place}.attentions.{index}"
        if level:
            after = 2 if level in attention else 1
            yield f"output_blocks.{count}.{after}", f"up_blocks.{place}.upsamplers.0"
