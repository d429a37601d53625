"""The layout of CompVis/latent-diffusion: one checkpoint of PyTorch Lightning with both networks.

Names of the U-Net begin with ``model.diffusion_model.`` and are those of improved-diffusion. Names
of its EMA weights begin with ``model_ema.`` and have no dots. Names of the autoencoder begin with
``first_stage_model.`` and are those of taming-transformers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from morse.dash.converters.ddim import INNER, block_of
from morse.dash.converters.openai import convert_heads
from morse.dash.converters.sources import tensors
from morse.dash.ldm import heads_of

UNET, EMA, AUTOENCODER = "model.diffusion_model.", "model_ema.", "first_stage_model."
LEVEL = re.compile(r"(encoder|decoder)\.(down|up)\.(\d+)\.block\.(\d+)\.(.+)\.(weight|bias)")
RESAMPLE = re.compile(r"(encoder|decoder)\.(down|up)\.(\d+)\.(?:down|up)sample\.conv\.(weight|bias)")
MIDDLE = re.compile(r"(encoder|decoder)\.mid\.(block_1|block_2|attn_1)\.(.+)\.(weight|bias)")
PLACES = {"block_1": "resnets.0", "block_2": "resnets.1", "attn_1": "attentions.0"}


def state_of(content: Any) -> dict[str, Tensor]:
    """The tensors of all networks: a checkpoint's ``state_dict``, or a safetensors file as it is.
    Raises ValueError for anything else."""
    if isinstance(content, dict) and any(str(name).startswith(UNET) for name in content):
        return tensors(content, "it")
    if not isinstance(content, dict) or "state_dict" not in content:
        raise ValueError("it has no entry 'state_dict'")
    return tensors(content["state_dict"], "its entry 'state_dict'")


def unet_of(content: Any, raw: bool = False) -> dict[str, Tensor]:
    """The tensors of the U-Net, by their own names: EMA weights.

    Args:
        raw: take the weights themselves if there are no others.

    Raises:
        ValueError, KeyError: for a file of another layout, or one with raw weights alone.
    """
    state = state_of(content)
    names = [name.removeprefix(UNET) for name in state if name.startswith(UNET)]
    if not names:
        raise ValueError(f"it has no tensors {UNET}*")
    if not any(name.startswith(EMA) for name in state):
        if raw:
            return {name: state[UNET + name] for name in names}
        raise ValueError("it has raw weights alone, with which images are far worse; take a file with EMA weights")
    # EMA weights are registered as buffers, whose names have no dots.
    return {name: state[EMA + f"diffusion_model.{name}".replace(".", "")] for name in names}


def convert(content: Any, unet: Mapping[str, Any]) -> dict[str, Tensor]:
    """The state of the U-Net, with EMA weights. Raises ValueError, KeyError for a file of another
    layout, or one with raw weights alone."""
    return convert_heads(unet_of(content), unet, heads_of)


def convert_autoencoder(content: Any, source: Path, settings: Mapping[str, Any]) -> dict[str, Tensor]:
    """The state of the autoencoder, without the parts of its own training. Raises as
    :func:`convert`."""
    levels, converted = len(settings["block_out_channels"]), {}
    for name, value in state_of(content).items():
        inner = name.removeprefix(AUTOENCODER)
        if not name.startswith(AUTOENCODER) or inner.startswith("loss."):
            continue
        new = _renamed(inner, levels)
        converted[new] = value[:, :, 0, 0] if ".attentions." in new and value.ndim == 4 else value
    if not converted:
        raise ValueError(f"it has no tensors {AUTOENCODER}*")
    return converted


def _renamed(name: str, levels: int) -> str:
    """diffusers' name of a tensor of the autoencoder."""
    if found := RESAMPLE.fullmatch(name):
        part, way, level, kind = found.groups()
        return f"{part}.{block_of(way, int(level), levels)}.{way}samplers.0.conv.{kind}"
    if found := LEVEL.fullmatch(name):
        part, way, level, index, layer, kind = found.groups()
        return f"{part}.{block_of(way, int(level), levels)}.resnets.{index}.{INNER.get(layer, layer)}.{kind}"
    if found := MIDDLE.fullmatch(name):
        part, place, layer, kind = found.groups()
        return f"{part}.mid_block.{PLACES[place]}.{INNER.get(layer, layer)}.{kind}"
    return name.replace(".norm_out.", ".conv_norm_out.")
