"""The layout of CompVis/stable-diffusion: one checkpoint or safetensors file with all networks.

It is that of :mod:`morse.dash.converters.ldm`, with transformers in the U-Net and with CLIP's text
model. Names of the text model begin with ``cond_stage_model.transformer.``, and are those of
transformers. EMA weights of the U-Net are taken if they are there. ``sd-v1-4.ckpt`` has them alone,
under the names of raw ones. The tokenizer is not in the file, but beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from morse.dash.base import TEXT
from morse.dash.converters.diffusers import text_names
from morse.dash.converters.ldm import state_of, unet_of
from morse.dash.converters.openai import LAYERS, places_of

TEXT_MODEL = "cond_stage_model.transformer."


def convert(content: Any, unet: Mapping[str, Any]) -> dict[str, Tensor]:
    """The state of the U-Net. Raises ValueError, KeyError for a file of another layout."""
    places, state = dict(places_of(unet)), {}
    for name, value in unet_of(content, raw=True).items():
        old = next((place for place in places if name.startswith(f"{place}.")), None)
        if old is None:
            raise ValueError(f"it has a tensor {name}")
        layer, _, kind = name.removeprefix(f"{old}.").rpartition(".")
        if ".attentions." not in places[old]:  # layers of transformers have diffusers' names
            layer = LAYERS.get(layer, layer)
        state[".".join(part for part in (places[old], layer, kind) if part)] = value
    return state


def convert_text(content: Any, source: Path, settings: Mapping[str, Any]) -> dict[str, Tensor]:
    """The state of the text model. Raises ValueError for a file without one."""
    found = {
        name.removeprefix(TEXT_MODEL): value for name, value in state_of(content).items() if name.startswith(TEXT_MODEL)
    }
    if not found:
        raise ValueError(f"it has no tensors {TEXT_MODEL}*")
    return text_names(found, f"{TEXT}0.")
