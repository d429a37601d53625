"""How Dot is trained, apart from its recipe: options of the command line, means, own images.

A *means* changes results by rounding only: processes, parts of a step, checkpoints of gradients.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from morse.experiments.cards import MEANS, Card, merged, network_view, only

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


def dot_means(card: Card) -> dict[str, int]:
    """The means of Dot's training, by key: "gradient_checkpointing" is 0 or
    1."""
    recipe = card["dot"]["training"]
    return {key: int(recipe.get(key, key != "gradient_checkpointing")) for key in MEANS}


def with_means(card: Card, means: Any) -> dict[str, Any]:
    """The card of :func:`morse.experiments.cards.dot_training_view` with its means again.

    Args:
        means: an object with an attribute for each of :data:`MEANS`.
    """
    return merged(card, {"dot": {"training": {key: getattr(means, key) for key in MEANS}}})


def own_images_view(card: Card) -> dict[str, Any]:
    """The part of a model's card that the images depend on that Dash makes for Dot's training."""
    return network_view(card, ["dash"]) | {"dot": {"training": only(card["dot"]["training"], ("own",))}}
