"""What `morse info` prints about a model."""

from __future__ import annotations

from typing import Any

import torch

from morse.dash.loading import build_dash
from morse.dot.loading import new_dot, own_parameters
from morse.experiments.cards import Card
from morse.runtime.flops import count_parameters, flops

META = "meta"
"""The device on which tensors have a shape but no memory, so that large networks take no time."""


def model_info(name: str, card: Card) -> dict[str, Any]:
    """Sizes, N by FLOPs, licence, files and recipe of a model, in words: heading -> value.

    Args:
        card: from :func:`morse.experiments.cards.read_card`.
    """
    with torch.device(META):
        dash = build_dash(card)
        dot = new_dot(card, dash)
        counted = flops(dash, dot, dash.shape, META)
        parameters, own = count_parameters(dash.network), own_parameters(card)
    trained = card["dot"].get("trained", {})
    return {
        "model": f"{name} ({card['family']}, {card['scale']} scale)",
        "tasks": ", ".join(card["tasks"]),
        "images": " x ".join(map(str, dash.shape)),
        "schedule": ", ".join(f"{key} {value}" for key, value in card["schedule"].items()),
        "Dash": f"{parameters:,} parameters, {counted['dash'] / 1e9:.3g} GFLOPs an image",
        "Dot": f"{own:,} parameters of its own, {counted['dot'] / 1e9:.3g} GFLOPs an image",
        "N by FLOPs": f"{counted['dash'] / counted['dot']:.2f}",
        "N of plans": f"{card['dot']['ratio']:g}",
        "licence": card.get("licence", "see the model's card"),
        "weights of Dash": card["dash"]["file"],
        "weights of Dot": card["dot"].get("file", "none: trained in the run"),
        "training of Dot": ", ".join(f"{key} {value}" for key, value in trained.items()) or "not recorded",
        "recipe": f"config/recipes/{card['scale']}.yaml: {_steps(card)}, LoRA rank {card['dot']['rank']}",
    }


def _steps(card: Card) -> str:
    steps = {"Dash": card.get("training", {}), "Dot": card["dot"].get("training", {})}
    return ", ".join(f"{name} {recipe['train']['steps']} steps" for name, recipe in steps.items() if recipe)
