"""Card and Dash -> Dot, new, trained or ready for inference."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors import safe_open

from morse.checkpoints import read_state, write_state
from morse.dash.base import Dash
from morse.dash.loading import Card, build_dash, load_dash
from morse.dot.lora import attach_lora, inference_dot, merge_lora, own_state
from morse.dot.network import Dot
from morse.files import DamagedFile, require, sha256
from morse.runtime.device import place


def new_dot(card: Card, dash: Dash) -> Dot:
    return Dot(dash.network, card["dot"]["channels"], dash.schedule, card["dot"]["preconditioned"])


def form_of(card: Card) -> str:
    """What of Dot's form its tensors do not show, as files of Dot and resume points name it."""
    return f"preconditioned={card['dot']['preconditioned']}"


def adapted_dot(card: Card, dash: Dash) -> Dot:
    """The card's Dot before training: its output is zero."""
    dot = new_dot(card, dash)
    attach_lora(dot, card["dot"]["rank"])
    return dot


def own_parameters(card: Card) -> int:
    """How many parameters the card's Dot has beside those that it shares with Dash: LoRA, extra blocks, time of s."""
    return sum(p.numel() for p in adapted_dot(card, build_dash(card)).parameters() if p.requires_grad)


def prepare_dot(card: Card, dash_weights: Path, dot_weights: Path, output: Path, expected_sha256: str | None = None) -> None:
    """Merges LoRA into the shared layers and writes Dot for inference: the only file that sampling needs beside Dash's.

    Args:
        expected_sha256: of ``dot_weights``; None for weights trained just now.

    Raises:
        DamagedFile: for a missing or altered file, or a Dot of another Dash.
    """
    dash = load_dash(card, dash_weights)
    dot = adapted_dot(card, dash)
    state = read_state(require(dot_weights, expected_sha256, "Dot weights"), own_state(dot))
    with safe_open(dot_weights, "pt") as file:
        metadata = json.loads((file.metadata() or {}).get("made_for", "{}"))
    if (trained_on := metadata.get("dash")) != (actual := sha256(dash_weights)):
        other = f"{str(trained_on)[:12]}..., not {actual[:12]}..."
        raise DamagedFile(f"Dot weights {dot_weights} were trained on Dash {other}; train Dot again")
    if (form := metadata.get("form")) != form_of(card):
        raise DamagedFile(f"Dot weights {dot_weights} are of a Dot with {form}, not {form_of(card)}; mend the card or train Dot again")
    dot.load_state_dict(state, strict=False)
    write_state(merge_lora(dot).state_dict(), output, dash=actual)


def load_dot(card: Card, dash: Dash, prepared: Path | str) -> Dot:
    """Dot from the file of :func:`prepare_dot`, on Dash's device.

    Raises:
        DamagedFile: if the file is missing or of another network.
    """
    path = require(prepared, what="prepared Dot")
    dot = new_dot(card, dash)
    dot = inference_dot(dot, read_state(path, dot.state_dict()))
    return place(dot, next(dash.network.parameters()).device)
