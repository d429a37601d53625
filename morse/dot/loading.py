"""Dot from a model's card and its Dash.

A file of Dot is of one of two kinds, and its metadata says which. A *trained* file holds what Dot
adds to Dash: its own blocks and LoRA. It ships with the repository. A *prepared* file holds all of
Dot with LoRA merged, so that loading it needs no peft. Both are bound by hash to the Dash weights
that they were made with.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import torch

from morse.checkpoints import read_metadata, read_state, write_state
from morse.dash.base import Dash
from morse.dash.conditioning import CLASSIFIER_FREE
from morse.dash.guidance import GuidedDash
from morse.dash.loading import build_dash, card_of
from morse.dot.lora import attach_lora, inference_dot, merge_lora, own_state
from morse.dot.network import GUIDED, Dot
from morse.experiments.cards import Card, only, resource
from morse.files import DamagedFile, require
from morse.runtime.device import place
from morse.runtime.flops import count_parameters


def new_dot(card: Card, dash: Dash) -> Dot:
    """The card's Dot, without LoRA and with random weights of its own blocks."""
    form = card["dot"]
    what = form["preconditioned"], guidance_of(card), form["memory"]
    return Dot(dash.network, form["channels"], dash.schedule, *what)


def guidance_of(card: Card) -> str:
    """How the card's Dot is guided: as :class:`morse.dot.network.Dot` has it."""
    kind = card["unet"].get("guidance", "")
    return card["dot"].get("guidance", GUIDED) if kind == CLASSIFIER_FREE else kind


def dash_for(dot: Dot, dash: Dash) -> Dash:
    """Dash with all the estimates that Dot takes: for a Dot of both branches, their difference
    too."""
    if dot.takes.estimates == 1:
        return dash
    return replace(dash, estimate=GuidedDash(dash.network, with_difference=True))


def form_of(card: Card) -> str:
    """What Dot's tensors do not show of its form, as written in files of Dot and resume points."""
    guidance, form = guidance_of(card), card["dot"]
    parts = [f"preconditioned={form['preconditioned']}", *([f"guidance={guidance}"] if guidance else ())]
    return ", ".join([*parts, *([f"memory={form['memory']}"] if form["memory"] else ())])


def adapted_dot(card: Card, dash: Dash) -> Dot:
    """The card's Dot before training, with LoRA. Its output is zero, or what its memory gives."""
    dot = new_dot(card, dash)
    attach_lora(dot, card["dot"]["rank"])
    return dot


def own_parameters(card: Card) -> int:
    """The number of parameters of the card's Dot that it does not share with Dash: LoRA, extra
    blocks, timestep s."""
    with torch.device("meta"):  # shapes alone
        return count_parameters(adapted_dot(card, build_dash(card)), trained_alone=True)


def load_dot(
    model: Card | str,
    dash: Dash,
    weights: Path | str | None = None,
    expected_sha256: str | None = None,
    merge: bool = True,
) -> Dot:
    """A model's Dot, frozen, on Dash's device.

    Args:
        model: a card, or the name of one.
        dash: the Dash that Dot shares its layers with.
        weights: a trained or a prepared file; None: the card's, checked against the card's SHA-256.
        expected_sha256: the hash of ``weights``; None: not checked.
        merge: LoRA is merged into a copy of the shared layers. Not merged, Dot shares all of them
            with Dash, which saves their memory, and is slower. Its own tensors can then be trained
            further, and shared (:mod:`morse.dot.hub`). It needs a trained file.

    Raises:
        DamagedFile: if the file is missing, has another hash, or is of another Dot or Dash.
        ValueError: for an unknown name, a card without a file of Dot, or a prepared file whose LoRA
            is merged already.
    """
    card = card_of(model)
    if weights is None:
        if "file" not in card["dot"]:
            raise ValueError("the model's card names no file of Dot; train one (docs/protocol.md) and give its path")
        weights, expected_sha256 = resource(card["dot"]["file"]), card["dot"]["sha256"]
    path = require(weights, expected_sha256, "Dot weights")
    metadata = read_metadata(path)
    if "made_for" in metadata:
        dot = _trained(card, dash, path, json.loads(metadata["made_for"]))
        dot = merge_lora(dot) if merge else dot.eval()
    elif not merge:
        raise ValueError(f"Dot weights {path} have LoRA merged into them; give the trained file")
    else:
        _require_dash(path, dash, metadata.get("dash"))
        dot = new_dot(card, dash)
        dot = inference_dot(dot, read_state(path, dot.state_dict()))
    dot.ratio = card["dot"].get("ratio", math.nan)
    dot.form = only(card["dot"], ("channels", "rank", "preconditioned", "memory", "ratio")) | {
        "schedule": card["schedule"]
    }
    return place(dot, next(dash.network.parameters()).device)


def prepare_dot(
    card: Card, dash: Dash, output: Path, weights: Path | str | None = None, expected_sha256: str | None = None
) -> None:
    """Writes the prepared file of a card's Dot: what sampling needs beside Dash. Arguments and
    errors are those of :func:`load_dot`."""
    write_state(load_dot(card, dash, weights, expected_sha256).state_dict(), output, dash=dash.weights)


def _trained(card: Card, dash: Dash, path: Path, made_for: dict[str, str]) -> Dot:
    """The Dot of a trained file, with its LoRA beside the shared layers."""
    _require_dash(path, dash, made_for.get("dash"))
    if (form := made_for.get("form")) != form_of(card):
        raise DamagedFile(
            f"Dot weights {path} are of a Dot with {form}, not {form_of(card)}; correct the card or train Dot again"
        )
    dot = adapted_dot(card, dash)
    dot.load_state_dict(read_state(path, own_state(dot)), strict=False)
    return dot


def _require_dash(path: Path, dash: Dash, trained_on: str | None) -> None:
    if trained_on != dash.weights:
        other = f"{str(trained_on)[:12]}..., not {dash.weights[:12] or 'random weights'}..."
        raise DamagedFile(f"Dot weights {path} were trained on Dash {other}; train Dot again")
