"""Names in configuration files to Python objects, imported only when they are asked for.

An entry is the string ``"module:attribute"``, so that looking a name up costs nothing for the entries that
are not used: a statistics job never imports diffusers because a Dash family is registered.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from importlib import import_module
from typing import Any


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """One line that says which ``kind`` has no entry ``name``, with the nearest known names."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known) or 'none'}"
    return f"unknown {kind} {name!r}; {hint}"


def require_known(kind: str, names: Iterable[str], known: Iterable[str]) -> None:
    """Raises ValueError, :func:`unknown`'s line, for the first of the names that is not known."""
    known = list(known)
    for name in names:
        if name not in known:
            raise ValueError(unknown(kind, name, known))


class UnknownName(KeyError):
    """Raised for a name without an entry; prints as one line, without KeyError's quotes."""

    def __str__(self) -> str:
        return str(self.args[0])


class Registry:
    """A table from a name to ``"module:attribute"``.

    Args:
        kind: what the names stand for, as the error message says it ("sampler", "extractor", ...).
    """

    def __init__(self, kind: str, entries: dict[str, str] | None = None):
        self.kind = kind
        self._entries = dict(entries or {})

    def add(self, name: str, target: str) -> None:
        """Adds ``name``. Raises ValueError if it stands for something else already."""
        if self._entries.setdefault(name, target) != target:
            raise ValueError(f"{self.kind} {name!r} is {self._entries[name]!r} already, not {target!r}")

    def __getitem__(self, name: str) -> Any:
        if name not in self._entries:
            raise UnknownName(unknown(self.kind, name, self._entries))
        module, attribute = self._entries[name].split(":")
        return getattr(import_module(module), attribute)

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries
