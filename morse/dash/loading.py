"""Dash from a model's card: with random weights, or with those of a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from morse.checkpoints import read_state
from morse.dash import FAMILIES
from morse.dash.autoencoder import build_autoencoder
from morse.dash.base import AUTOENCODER, Dash
from morse.experiments.cards import Card, read_card, resource
from morse.files import DamagedFile, require, sha256
from morse.runtime.device import place
from morse.schedules.presets import make_schedule


def card_of(model: Card | str) -> Card:
    """The card itself, or the card in config/models of that name.

    Raises:
        ValueError: for an unknown name; one line with the nearest name.
    """
    return read_card("model", model) if isinstance(model, str) else model


def build_dash(card: Card) -> Dash:
    """The card's Dash with random weights."""
    dash = FAMILIES[card["family"]](card["unet"], make_schedule(card["schedule"]))
    return replace(dash, autoencoder=build_autoencoder(card["autoencoder"])) if "autoencoder" in card else dash


def dash_file(card: Card) -> Path:
    """The card's file of Dash's weights.

    Raises:
        DamagedFile: one line with the remedy, for published weights that are not there.
    """
    path = resource(card["dash"]["file"])
    if "source" in card["dash"] and not path.is_file():
        raise DamagedFile(f"{path} is missing; run `morse fetch` and `morse convert` with the model's name")
    return path


def load_dash(
    model: Card | str,
    weights: Path | str | None = None,
    expected_sha256: str | None = None,
    device: torch.device | str = "cpu",
) -> Dash:
    """A model's Dash, frozen, with its weights.

    Args:
        model: a card, or the name of one, such as "cifar10-ddpm-mini".
        weights: a safetensors file; None: the card's, checked against the card's SHA-256.
        expected_sha256: the hash of ``weights``; None: not checked.

    Raises:
        DamagedFile: if the file is missing, has another hash, or holds other tensors.
        ValueError: for an unknown name.
    """
    card = card_of(model)
    if weights is None:
        weights, expected_sha256 = dash_file(card), card["dash"].get("sha256")
    dash = build_dash(card)
    path = require(weights, expected_sha256, "Dash weights")
    state = read_state(path, dash.state())
    beside = {name: state.pop(name) for name in list(state) if name.startswith(AUTOENCODER)}
    dash.network.load_state_dict(state)
    place(dash.network, device).requires_grad_(False)
    if dash.autoencoder is not None:
        own = {name.removeprefix(AUTOENCODER): value for name, value in beside.items()}
        place(dash.autoencoder.network, device).load_state_dict(own)
    return replace(dash, weights=(expected_sha256 or sha256(path)).lower())
