"""diffusers' own layout: a folder of the hub, or its file of weights.

Before 2023 attentions had other names, and folders of DDPM and of Stable Diffusion still have them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from morse.dash.base import TEXT
from morse.dash.converters.sources import read_source, tensors

OLD = {".query.": ".to_q.", ".key.": ".to_k.", ".value.": ".to_v.", ".proj_attn.": ".to_out.0."}

VQ, KL = "vqvae", "vae"
"""Of a pipeline's folder: its autoencoder."""

TEXT_MODELS = ("text_encoder", "text_encoder_2")
"""Of a pipeline's folder: its text models."""

POSITIONS = "embeddings.position_ids"
"""What old files of text models have beside their weights: the numbers from 0 to 76."""


def convert_autoencoder(content: Any, source: Path, settings: Mapping[str, Any]) -> dict[str, Tensor]:
    """The state of the autoencoder in a pipeline's folder. Raises DamagedFile if there is none."""
    return convert(read_source(source / (VQ if "codes" in settings else KL)), settings)


def convert_text(content: Any, source: Path, settings: Mapping[str, Any]) -> dict[str, Tensor]:
    """The states of the text models in a pipeline's folder. Raises DamagedFile if one is not
    there."""
    state = {}
    for number, _ in enumerate(settings["encoders"]):
        found = tensors(read_source(source / TEXT_MODELS[number]), f"its {TEXT_MODELS[number]}")
        state |= text_names(found, f"{TEXT}{number}.")
    return state


def text_names(found: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Tensors of one of transformers' text models, by their names in a file of Dash's weights."""
    bare = {name.removeprefix("text_model."): value for name, value in found.items()}
    return {f"{prefix}{name}": value for name, value in bare.items() if name != POSITIONS}


def convert(content: Any, unet: Mapping[str, Any]) -> dict[str, Tensor]:
    """The state of the network. Raises ValueError for anything but names and tensors."""
    state = {}
    for name, value in tensors(content, "it").items():
        for old, new in OLD.items():
            name = name.replace(old, new)
        state[name] = value
    return state
