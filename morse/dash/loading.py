"""Dash from a model's card: with random weights, or with those of a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from morse.checkpoints import read_state, read_texts
from morse.dash import FAMILIES
from morse.dash.autoencoder import build_autoencoder
from morse.dash.base import TEXT, TOKENIZER, Dash
from morse.dash.text import TextEncoders, build_text_models, text_encoders
from morse.experiments.cards import Card, read_card, resource
from morse.files import DamagedFile, require, sha256
from morse.runtime.device import place
from morse.schedules.presets import make_schedule


def card_of(model: Card | str) -> Card:
    """The card itself, or the card in config/models of that name, or in the file of that path.

    Raises:
        ValueError: for an unknown name or a wrong card; one line.
    """
    return read_card("model", model) if isinstance(model, str) else model


def build_dash(card: Card, with_text: bool = True) -> Dash:
    """The card's Dash with random weights.

    Args:
        with_text: with the text models of a card that has some. Their tokenizers are in the file of
            weights alone.
    """
    dash = FAMILIES[card["family"]](card["unet"], make_schedule(card["schedule"]))
    if "autoencoder" in card:
        dash = replace(dash, autoencoder=build_autoencoder(card["autoencoder"]))
    if with_text and "text" in card:
        dash = replace(dash, encoders=TextEncoders(build_text_models(card["text"]), ()))
    return dash


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
    with_text: bool = True,
) -> Dash:
    """A model's Dash, frozen, with its weights.

    Args:
        model: a card, or the name of one, such as "cifar10-ddpm-mini".
        weights: a safetensors file; None: the card's, checked against the card's SHA-256.
        expected_sha256: the hash of ``weights``; None: not checked.
        with_text: of a text model, load its text encoders too. Encoded prompts need none.

    Raises:
        DamagedFile: if the file is missing, has another hash, or holds other tensors.
        ValueError: for an unknown name.
    """
    card = card_of(model)
    if weights is None:
        weights, expected_sha256 = dash_file(card), card["dash"].get("sha256")
    dash = build_dash(card, with_text)
    path = require(weights, expected_sha256, "Dash weights")
    dash.load(read_state(path, dash.state(), without=(TOKENIZER,) if with_text else (TEXT, TOKENIZER)))
    for _, part in dash.parts():
        place(part, device).requires_grad_(False)
    if dash.encoders is not None:
        dash = replace(dash, encoders=text_encoders(card["text"], dash.encoders.models, read_texts(path, TOKENIZER)))
    return replace(dash, weights=(expected_sha256 or sha256(path)).lower())
