"""The prompts of a task: captions of its data, or a list of one's own.

Image i of a run has prompt i modulo their number. So all methods, budgets and guidance scales have
the same prompts, in the same order.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from morse.data.captions import read_json_text, read_text, tidy
from morse.data.prepared import prepared_captions
from morse.experiments.cards import resource


def prompts_of(card: Mapping[str, Any]) -> list[str]:
    """The prompts of a task's card: ``prompts: {split: ...}``, the captions of a split of its data,
    or ``prompts: {file: ...}`` (:func:`read_prompts`).

    Raises:
        DamagedFile, ValueError: one line, as :func:`read_prompts` and
            :func:`morse.data.prepared.prepared_captions`.
    """
    prompts = card["prompts"]
    if "file" in prompts:
        return read_prompts(resource(prompts["file"]))
    return prepared_captions(resource(card["data"]["file"]), prompts["split"])


def read_prompts(path: Path) -> list[str]:
    """A list of prompts: a text file with one in each line; a .json file with a list of them; or
    COCO's file of captions, all of them in the order of their numbers.

    Line breaks and further blanks are single blanks. Blank lines at the end of a text file do not
    count.

    Raises:
        DamagedFile: one line, for a file that is missing, not UTF-8, or no JSON.
        ValueError: one line that names the file and the line, for an empty prompt or no prompts. An
            empty prompt is what guidance leads away from.
    """
    if path.suffix.lower() == ".json":
        content = read_json_text(path)
        if isinstance(content, Mapping) and isinstance(content.get("annotations"), list):
            content = [one["caption"] for one in sorted(content["annotations"], key=lambda one: one["id"])]
        if not isinstance(content, list) or not all(isinstance(one, str) for one in content):
            raise ValueError(f'{path}: it is no list of prompts; write one, such as ["a cat", "a dog"]')
    else:
        content = read_text(path).rstrip().splitlines()
    prompts = [tidy(one) for one in content]
    if not prompts:
        raise ValueError(f"{path} has no prompts; write one or more")
    if "" in prompts:
        raise ValueError(f"{path}: prompt {prompts.index('') + 1} is empty; write it, or take it out")
    return prompts


def prompt_of_images(prompts: Sequence[str], indices: Iterable[int]) -> list[str]:
    """The prompts of some images of a run.

    >>> prompt_of_images(["a", "b"], range(1, 4))
    ['b', 'a', 'b']
    """
    return [prompts[index % len(prompts)] for index in indices]


def identity_of(prompts: Sequence[str]) -> str:
    """The SHA-256 of exactly this list."""
    return hashlib.sha256(json.dumps(list(prompts), ensure_ascii=False).encode("utf-8")).hexdigest()
