"""Registries: names in configuration files -> Python objects, imported when they are asked for.

An entry is the string ``"module:attribute"``, so entries that are not used cost nothing. For
example, a job of statistics does not import diffusers because a Dash family is registered.
"""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Iterable, Iterator
from importlib import import_module
from typing import Any


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """One line that says which ``kind`` has no entry ``name``, with the nearest known names."""
    known = sorted(known)
    return f"unknown {kind} {name!r}; {nearest(name, known) or 'known: ' + (', '.join(known) or 'none')}"


def nearest(name: str, known: Iterable[str]) -> str:
    """The question whether the nearest known name was meant; empty if none is near."""
    near = difflib.get_close_matches(name, sorted(known), n=1)
    return f"did you mean {near[0]!r}?" if near else ""


def remove_and_run(purpose: str, *paths: object) -> str:
    """The remedy for files that do not go with the others: the command that deletes them.

    >>> remove_and_run("to measure again", "a b.json")
    "to measure again: rm 'a b.json', then run again"
    """
    return f"{purpose}: {shlex.join(['rm', *map(str, paths)])}, then run again"


def require_known(kind: str, names: Iterable[str], known: Iterable[str]) -> None:
    """Raises ValueError, with the line of :func:`unknown`, for the first name that is not known."""
    known = list(known)
    for name in names:
        if name not in known:
            raise ValueError(unknown(kind, name, known))


class UnknownName(KeyError):
    """Raised for a name without an entry. It prints as one line, without KeyError's quotes."""

    def __str__(self) -> str:
        return str(self.args[0])


def resolve(target: str) -> Any:
    """The object that ``"module:attribute"`` names, imported now."""
    module, attribute = target.split(":")
    return getattr(import_module(module), attribute)


class Registry:
    """A table from a name to ``"module:attribute"``.

    Args:
        kind: what an entry is, in the words of error messages ("sampler", "extractor", ...).
    """

    def __init__(self, kind: str, entries: dict[str, str] | None = None):
        self.kind = kind
        self._entries = dict(entries or {})

    def add(self, name: str, target: str) -> None:
        """Adds an entry. Raises ValueError if the name has another target already."""
        if self._entries.setdefault(name, target) != target:
            raise ValueError(f"{self.kind} {name!r} is {self._entries[name]!r} already, not {target!r}")

    def __getitem__(self, name: str) -> Any:
        if name not in self._entries:
            raise UnknownName(unknown(self.kind, name, self._entries))
        return resolve(self._entries[name])

    def target(self, name: str) -> str:
        """The ``"module:attribute"`` of a name."""
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries
