"""diffusers' own layout: a folder of the hub, or its file of weights.

Before 2023 attentions had other names, and DDPM's published folders still have them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from morse.dash.converters.sources import tensors

OLD = {".query.": ".to_q.", ".key.": ".to_k.", ".value.": ".to_v.", ".proj_attn.": ".to_out.0."}


def convert(content: Any, unet: Mapping[str, Any]) -> dict[str, Tensor]:
    """The state of the network. Raises ValueError for anything but names and tensors."""
    state = {}
    for name, value in tensors(content, "it").items():
        for old, new in OLD.items():
            name = name.replace(old, new)
        state[name] = value
    return state
