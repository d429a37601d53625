"""Feature extractors, networks that turn images into features: their registry, and loading by card.

Each is in a file of its own. A new extractor is a function in a new file and its entry in
:data:`EXTRACTORS`. It also needs a card in config/extractors with its caption, dimension and
weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from morse.experiments.cards import read_card
from morse.registry import Registry

if TYPE_CHECKING:
    import torch

    from morse.quality.extractors.base import Extractor, TextFeatures

EXTRACTORS = Registry(
    "feature extractor",
    {
        "clip": "morse.quality.extractors.clip:clip",
        "fashion-classifier": "morse.quality.extractors.fashion_classifier:fashion_classifier",
        "efficientnet-lite0": "morse.quality.extractors.efficientnet:efficientnet_lite0",
        "inception": "morse.quality.extractors.inception:legacy_tensorflow",
        "inception-clean": "morse.quality.extractors.inception:clean",
        "inception-legacy-pytorch": "morse.quality.extractors.inception:legacy_pytorch",
    },
)
"""Kind in an extractor's card -> function of (card, device) that returns an Extractor
(:class:`morse.quality.extractors.base.Extractor`)."""

TEXT_EXTRACTORS = Registry("feature extractor of text", {"clip": "morse.quality.extractors.clip:clip_text"})
"""Kinds that read text too -> function of (card, prompts, device) that returns its TextFeatures
(:class:`morse.quality.extractors.base.TextFeatures`)."""


def load_extractor(extractor: Mapping[str, Any] | str, device: torch.device | str = "cpu") -> Extractor:
    """The extractor of a card.

    Args:
        extractor: the card, or the name of one in config/extractors.

    Raises:
        ValueError, UnknownName: one line, for an unknown name or kind, or a dimension in the card
            that is not the network's.
        DamagedFile: for missing or altered weights.
    """
    card = read_card("extractor", extractor) if isinstance(extractor, str) else extractor
    loaded = EXTRACTORS[card["kind"]](card, device)
    _require_dimension(card, loaded.dim)
    return replace(loaded, label=card["caption"])


def text_features(
    extractor: Mapping[str, Any] | str, prompts: Sequence[str], device: torch.device | str = "cpu"
) -> TextFeatures:
    """The features of prompts by the extractor of a card.

    Args:
        extractor: the card, or the name of one in config/extractors.

    Raises:
        ValueError, UnknownName, DamagedFile: as :func:`load_extractor`; UnknownName also for a kind
            that reads no text.
    """
    card = read_card("extractor", extractor) if isinstance(extractor, str) else extractor
    found = TEXT_EXTRACTORS[card["kind"]](card, prompts, device)
    _require_dimension(card, found.values.shape[1])
    return found


def _require_dimension(card: Mapping[str, Any], dim: int) -> None:
    if dim != card["dimension"]:
        raise ValueError(
            f"extractor {card['kind']}: dimension {card['dimension']} in its card, but the network gives {dim}"
        )
