"""What cards need of others, by their names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from morse.experiments.cards import Card, names, read_card
from morse.published import Source, sources_of
from morse.registry import unknown

KINDS = ("model", "task", "reference", "extractor")
CARD_OF = {"reference": "task"}
"""Kinds of :func:`morse.published.sources_of`. Those of the second are part of another card."""


def published_by(wanted: Iterable[str], overrides: Mapping[str, Mapping[str, Card]]) -> list[Source]:
    """The files that others publish, for cards of these names, of whatever kind.

    Args:
        overrides: of the cards, as the configuration has them.

    Raises:
        ValueError: one line, for a name that no model, task or extractor has, or whose card needs
            nothing of others.
    """
    of_kind = {kind: names(CARD_OF.get(kind, kind)) for kind in KINDS}
    found = []
    for name in dict.fromkeys(wanted):
        if not any(name in known for known in of_kind.values()):
            raise ValueError(unknown("name", name, [known for kind in of_kind.values() for known in kind]))
        sources = []
        for kind in (kind for kind in KINDS if name in of_kind[kind]):
            single = CARD_OF.get(kind, kind)
            sources += sources_of(kind, name, read_card(single, name, overrides.get(f"{single}s", {}).get(name)))
        if not sources:
            raise ValueError(f"{name}: nothing of it has to be fetched; all that it needs ships with the repository")
        found += sources
    return found
