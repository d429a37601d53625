"""diffusers' own layout: a folder of the hub, or its file of weights.

Before 2023 attentions had other names, and DDPM's published folders still have them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from morse.dash.converters.sources import read_source, tensors

OLD = {".query.": ".to_q.", ".key.": ".to_k.", ".value.": ".to_v.", ".proj_attn.": ".to_out.0."}


FOLDER = "vqvae"
"""Of a pipeline's folder: its autoencoder."""


def convert_autoencoder(content: Any, source: Path, settings: Mapping[str, Any]) -> dict[str, Tensor]:
    """The state of the autoencoder in a pipeline's folder. Raises DamagedFile if there is none."""
    return convert(read_source(source / FOLDER), settings)


def convert(content: Any, unet: Mapping[str, Any]) -> dict[str, Tensor]:
    """The state of the network. Raises ValueError for anything but names and tensors."""
    state = {}
    for name, value in tensors(content, "it").items():
        for old, new in OLD.items():
            name = name.replace(old, new)
        state[name] = value
    return state
