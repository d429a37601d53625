"""Options of `morse train-dot` -> changes to a model's card."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PLACES = {
    "steps": ("train", "steps"),
    "precision": ("train", "precision"),
    "seed": ("train", "seed"),
    "batch": ("chain", "chains"),
    "accumulate": ("accumulate",),
    "checkpointing": ("gradient_checkpointing",),
    "processes": ("processes",),
    "data": ("data",),
}
"""Option -> its keys under ``dot: training``."""


def changes_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """The changes to a card that options of the command line ask for.

    >>> changes_of({"steps": 10, "seed": None, "channels": [8, 16]})
    {'dot': {'training': {'train': {'steps': 10}}, 'channels': [8, 16]}}

    Args:
        options: those of :data:`PLACES`, and ``channels`` of Dot's extra blocks; None changes
            nothing.
    """
    recipe: dict[str, Any] = {}
    for option, (*above, last) in PLACES.items():
        if options.get(option) is not None:
            place = recipe
            for key in above:
                place = place.setdefault(key, {})
            place[last] = options[option]
    channels = {"channels": list(options["channels"])} if options.get("channels") else {}
    return {"dot": {"training": recipe} | channels}
