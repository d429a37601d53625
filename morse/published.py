"""What others publish: where its files are on this machine, and where they come from.

A card's ``source`` lists files. Each has an address (``url``), a place on the Hugging Face hub
(``hub``), or a page where a person has to get it (``by_hand``). :mod:`morse.fetching` gets them. No
run does.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from morse.files import DamagedFile

WEIGHTS, DATA = "MORSE_WEIGHTS", "MORSE_DATA"
FOLDERS = {"weights": WEIGHTS, "data": DATA}
"""First part of a path in a card -> the environment variable that names the folder; without it, it
is the folder of that name in the working directory."""
ORIGINALS = "originals"
DIGITS = {"sha256": 64, "md5": 32}
"""Kinds of hashes that others publish -> their hexadecimal digits. The first one counts."""


def folder(name: str) -> Path:
    """The folder of published "weights" or "data"."""
    return Path(os.environ.get(FOLDERS[name]) or name)


def published_place(path: str | Path) -> Path | None:
    """Where a card's path is that begins with ``weights/`` or ``data/``; None for others."""
    first, *rest = Path(path).parts or ("",)
    return folder(first).joinpath(*rest) if first in FOLDERS and rest else None


@dataclass(frozen=True)
class Source:
    """A file that others publish.

    Attributes:
        name: of the card that needs it.
        path: where it belongs on this machine.
        url, hub, by_hand: its address; one of them. ``hub`` is OWNER/REPOSITORY.
        inside, revision: of a hub's file: its path there, and the commit; empty for the newest.
        size: bytes; None if unknown.
        digest: "sha256:..." or "md5:..."; empty if none is published.
        licence: of what it holds.
    """

    name: str
    path: Path
    url: str = ""
    hub: str = ""
    by_hand: str = ""
    inside: str = ""
    revision: str = ""
    size: int | None = None
    digest: str = ""
    licence: str = "see its page"

    @property
    def address(self) -> str:
        """Where it comes from, in words."""
        return self.url or self.by_hand or f"{self.hub}: {self.inside}"


def sources_of(kind: str, name: str, card: Mapping[str, Any]) -> list[Source]:
    """The files that a card needs of others.

    Args:
        kind: "model", "task", "extractor", or "reference" for the statistics that a task's card
            names.

    Raises:
        ValueError: one line, for a file with no address, with several, or with half a hash.
    """
    if kind == "model":
        return _sources(name, card["dash"], folder("weights") / ORIGINALS / name, card.get("licence"))
    if kind == "task":
        return _sources(name, card["data"], folder("data") / ORIGINALS / name)
    holders = (card["reference"].get("published") or {}).values() if kind == "reference" else [card.get("weights", {})]
    found = []
    for holder in holders:  # of a file that is used as it is published
        if "source" in holder:
            place = published_place(holder["file"]) or Path(holder["file"])
            found += _sources(name, holder, place.parent, used=place.name)
    return found


def _sources(
    name: str, holder: Mapping[str, Any], place: Path, licence: str | None = None, used: str = ""
) -> list[Source]:
    """Those of a holder.

    Args:
        used: the file that the holder's own hash is of; empty if of what is made of the sources. A
            single source is that file, whatever its name.
    """
    found, alone = [], used and len(holder.get("source", [])) == 1
    for entry in holder.get("source", []):
        if len({"url", "hub", "by_hand"} & {*entry}) != 1 or ("hub" in entry) != ("path" in entry):
            raise ValueError(f"{name}: source: {entry['file']} needs one of url, hub with path, and by_hand")
        for kind, digits in DIGITS.items():
            if not re.fullmatch(f"[0-9a-fA-F]{{{digits}}}", entry.get(kind, "0" * digits)):
                raise ValueError(f"{name}: source: {entry['file']}: {kind} has not {digits} hexadecimal digits")
        known = digest_of(entry) or (digest_of(holder) if entry["file"] == used or alone else "")
        keys = {key: entry[key] for key in ("url", "hub", "by_hand", "revision", "size") if key in entry}
        stated = holder.get("licence", licence)
        words = {"licence": stated} if stated else {}
        found.append(Source(name, place / entry["file"], inside=entry.get("path", ""), digest=known, **keys, **words))
    return found


def origin(paths: Sequence[Path]) -> Path:
    """What weights are converted from: a card's one file, or the folder of its several files."""
    return paths[0] if len(paths) == 1 else paths[0].parent


def digest_of(entry: Mapping[str, Any]) -> str:
    """The hash of an entry of ``source``, as :class:`Source` has it; empty if it states none."""
    return next((f"{kind}:{entry[kind].lower()}" for kind in DIGITS if kind in entry), "")


def check(source: Source, path: Path) -> None:
    """Raises DamagedFile, one line, for a file of another size or hash than published.

    Of a folder, which some data sets are, nothing is known.
    """
    if path.is_dir():
        return
    if source.size is not None and (size := path.stat().st_size) != source.size:
        raise DamagedFile(f"{path} has {size:,} bytes, not {source.size:,}; {source.address} may hold another file now")
    if source.digest:
        kind, _, expected = source.digest.partition(":")
        with open(path, "rb") as file:
            found = hashlib.file_digest(file, kind).hexdigest()
        if found != expected:
            raise DamagedFile(f"{path} has {kind} {found}, not {expected}; {source.address} may hold another file now")


def fetch_command(names: Iterable[str]) -> str:
    """The command that gets what these cards need."""
    return f"morse fetch {' '.join(dict.fromkeys(names))}"


def lacking(sources: Iterable[Source]) -> str:
    """One line that says which published files are missing, and the one command that gets them.

    It is empty if all are there. Their hashes were checked when they were fetched.
    """
    missing = [source for source in sources if not source.path.exists()]  # some are folders
    if not missing:
        return ""
    files = ", ".join(dict.fromkeys(str(source.path) for source in missing))
    return f"files that others publish are missing: {files}; run `{fetch_command(one.name for one in missing)}`"
