"""The layout of yang-song/score_sde_pytorch, for DDPM++.

A file holds the raw weights by name, ``module.all_modules.I...``, with I counting all modules in
order. It holds the EMA weights as a list without names, in the order of the parameters.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor

from morse.dash.converters.sources import tensors

MODULES = "all_modules."
BLOCK = {
    "GroupNorm_0": "norm1",
    "Conv_0": "conv1",
    "Dense_0": "time_emb_proj",
    "GroupNorm_1": "norm2",
    "Conv_1": "conv2",
    "Conv_2": "conv_shortcut",
}
ATTENTION = {"GroupNorm_0": "group_norm", "NIN_0": "to_q", "NIN_1": "to_k", "NIN_2": "to_v", "NIN_3": "to_out.0"}


def convert(content: Any, unet: Mapping[str, Any]) -> dict[str, Tensor]:
    """The state of the network, with EMA weights. Raises ValueError, KeyError for a file of another
    layout."""
    if not isinstance(content, dict) or "model" not in content:
        raise ValueError("it has no entry 'model'")
    if "ema" not in content:
        raise ValueError("it has raw weights alone, with which images are far worse; take a checkpoint with 'ema'")
    raw, averages = tensors(content["model"], "its entry 'model'"), content["ema"]["shadow_params"]
    names = [name for name in raw if MODULES in name]  # the other is a buffer, sigmas
    if len(names) != len(averages):
        raise ValueError(f"it has {len(averages)} EMA weights for {len(names)} parameters")
    places = list(_places(unet))
    state = {}
    for name, average in zip(names, averages, strict=True):
        if average.shape != raw[name].shape:
            raise ValueError(f"the EMA weights of {name} are {tuple(average.shape)}, not {tuple(raw[name].shape)}")
        index, _, layer = name.partition(MODULES)[2].partition(".")
        if int(index) >= len(places):
            raise ValueError(f"it has a module {index}, the card's network has {len(places)}")
        place, layers = places[int(index)]
        state[_renamed(place, layers, layer)] = average.T if layer.endswith(".W") else average
    return state


def _renamed(place: str, layers: Mapping[str, str] | None, layer: str) -> str:
    if layers is None:
        return f"{place}.{layer}"
    inner, _, kind = layer.rpartition(".")
    if inner not in layers:
        raise ValueError(f"it has a layer {inner} in {place}")
    return f"{place}.{layers[inner]}.{ {'W': 'weight', 'b': 'bias'}.get(kind, kind) }"


def _places(unet: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, str] | None]]:
    """Each module in order: where diffusers has it, and its layers' names; None for one layer."""
    levels, blocks = len(unet["block_out_channels"]), unet["layers_per_block"]
    attention = set(unet["attention_levels"])
    yield from (("time_embedding.linear_1", None), ("time_embedding.linear_2", None), ("conv_in", None))
    for level in range(levels):
        for index in range(blocks):
            yield f"down_blocks.{level}.resnets.{index}", BLOCK
            if level in attention:
                yield f"down_blocks.{level}.attentions.{index}", ATTENTION
        if level < levels - 1:
            yield f"down_blocks.{level}.downsamplers.0", BLOCK
    yield "mid_block.resnets.0", BLOCK
    yield "mid_block.attentions.0", ATTENTION
    yield "mid_block.resnets.1", BLOCK
    for place, level in enumerate(reversed(range(levels))):
        for index in range(blocks + 1):
            yield f"up_blocks.{place}.resnets.{index}", BLOCK
        if level in attention:  # one a level, after its last block
            yield f"up_blocks.{place}.attentions.{blocks}", ATTENTION
        if level:
            yield f"up_blocks.{place}.upsamplers.0", BLOCK
    yield from (("conv_norm_out", None), ("conv_out", None))
