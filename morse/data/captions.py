"""Captions as text files give them, and the rule by which their letters are read."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from morse.files import DamagedFile, sha256, write_json

FORMS = ".json, .jsonl or .csv"
MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"
"""A byte order mark, which some editors put before a text."""


def tidy(text: str) -> str:
    """A caption with its line breaks and further blanks as single blanks, and none at its ends.

    >>> tidy(" a cat\\n on a  mat ")
    'a cat on a mat'
    """
    return " ".join(text.split())


def read_text(path: Path) -> str:
    """A text file in UTF-8, without a byte order mark.

    Raises:
        DamagedFile: one line, for a file that is missing or not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8").removeprefix(MARK)
    except FileNotFoundError as error:
        raise DamagedFile(f"{path} is missing; name a file of captions or prompts") from error
    except (UnicodeDecodeError, OSError) as error:
        raise DamagedFile(f"{path} is not read as UTF-8 ({error}); save it as UTF-8") from error


def read_json_text(path: Path) -> Any:
    """The content of a JSON file of captions. Raises DamagedFile, one line, if it is none."""
    try:
        return json.loads(read_text(path))
    except ValueError as error:
        raise DamagedFile(f"{path} is no JSON ({error}); get it again, or correct it") from error


def read_captions(path: Path) -> dict[str, str]:
    """Name of an image file -> its caption.

    A .json file is a mapping, or a list of ``{"file": ..., "caption": ...}``; a .jsonl file has one
    of these in each line; a .csv file has the columns ``file`` and ``caption``.

    Raises:
        DamagedFile: one line, for a missing or unreadable file.
        ValueError: one line that names the entry, for another form, an empty caption, or an image
            with two captions.
    """
    kind = path.suffix.lower()
    if kind == ".json":
        content = read_json_text(path)
        entries = list(content.items()) if isinstance(content, Mapping) else _pairs(content, path)
    elif kind == ".jsonl":
        entries = _pairs([_line(line, number, path) for number, line in _lines(path)], path)
    elif kind == ".csv":
        entries = _pairs(list(csv.DictReader(read_text(path).splitlines())), path)
    else:
        raise ValueError(f"{path}: captions are read from {FORMS}; save them as one of these")
    found: dict[str, str] = {}
    for number, (name, caption) in enumerate(entries, 1):
        if not isinstance(name, str) or not isinstance(caption, str) or not tidy(caption):
            raise ValueError(f"{path}: entry {number} has no caption of {name!r}; write one, or take the image out")
        if name in found:
            raise ValueError(f"{path}: {name} has two captions; keep one of them")
        found[name] = tidy(caption)
    return found


def _lines(path: Path) -> list[tuple[int, str]]:
    return [(number, line) for number, line in enumerate(read_text(path).splitlines(), 1) if line.strip()]


def _line(line: str, number: int, path: Path) -> Any:
    try:
        return json.loads(line)
    except ValueError as error:
        raise DamagedFile(f"{path}: line {number} is no JSON ({error}); correct it") from error


def _pairs(content: Any, path: Path) -> list[tuple[Any, Any]]:
    if not isinstance(content, list) or not all(isinstance(one, Mapping) for one in content):
        raise ValueError(f"{path}: it is no list of entries with file and caption; see docs/scale.md")
    for number, one in enumerate(content, 1):
        if missing := [key for key in ("file", "caption") if one.get(key) is None]:
            raise ValueError(f"{path}: entry {number} has no {missing[0]}; each has file and caption")
    return [(one["file"], one["caption"]) for one in content]


def write_captions(path: Path, split: str, count: int, captions: Sequence[str]) -> dict[str, str]:
    """Writes the captions of a split beside ``dataset.json``. Returns what the JSON file says of
    them.

    Raises:
        ValueError: one line, for another number of captions than images.
    """
    if len(captions) != count:
        raise ValueError(f"{path}: split {split!r} has {count:,} images and {len(captions):,} captions; give one each")
    file = path.with_name(f"{split}-captions.json")
    write_json(list(captions), file)
    return {"captions": file.name, "captions_sha256": sha256(file)}
