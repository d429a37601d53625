"""Model cards -> networks, and networks -> the files that ship with their recipe's outcome.

A card (``config/models/*.yaml``) names the family, the network's settings, the schedule, the weights and how they were
trained. Files of Dot hold what Dot adds; they name the Dash weights they were trained on and load with no others.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from morse.checkpoints import read_state
from morse.dash import FAMILIES
from morse.dash.base import Dash
from morse.files import require
from morse.runtime.device import place
from morse.schedules.noise import make_schedule

Card = Mapping[str, Any]


def build_dash(card: Card) -> Dash:
    """The card's Dash with random weights."""
    return FAMILIES[card["family"]](card["unet"], make_schedule(card["schedule"]))


def load_dash(card: Card, weights: Path | str, expected_sha256: str | None = None, device: torch.device | str = "cpu") -> Dash:
    """The card's Dash with weights from a safetensors file, frozen; its SHA-256 is checked unless None.

    Raises:
        DamagedFile: if the file is missing, has another hash, or holds other tensors.
    """
    dash = build_dash(card)
    dash.network.load_state_dict(read_state(require(weights, expected_sha256, "Dash weights"), dash.network.state_dict()))
    place(dash.network, device).requires_grad_(False)
    return dash
