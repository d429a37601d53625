"""Tokenizers of CLIP as others publish them: ``vocab.json`` and ``merges.txt``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from morse.checkpoints import as_tensor
from morse.dash.base import TOKENIZER
from morse.dash.text import END, START, tokenizer_text
from morse.files import DamagedFile, read_json

VOCABULARY, MERGES = "vocab.json", "merges.txt"


def read_tokenizers(source: Path, settings: Mapping[str, Any]) -> dict[str, Tensor]:
    """The tokenizers of a text model's card, as tensors of its file of weights.

    The first is in ``tokenizer``, the second in ``tokenizer_2``, or else in the folder itself. A
    second one that is not there is the first: those of SDXL differ in their padding alone.

    Args:
        source: a pipeline's folder, or a file of weights with a tokenizer beside it.
        settings: a card's ``text``.

    Raises:
        DamagedFile: one line, for a tokenizer that is missing, damaged, or not the text model's.
    """
    folder, state = source if source.is_dir() else source.parent, {}
    for number, encoder in enumerate(settings["encoders"]):
        text = _read(_folder_of(folder, number), encoder["vocab_size"])
        state[f"{TOKENIZER}{number}"] = as_tensor(text)
    return state


def _folder_of(folder: Path, number: int) -> Path:
    names = ("tokenizer_2", "tokenizer", "")[1 - number :]
    for place in (folder / name for name in names):
        if (place / VOCABULARY).is_file() and (place / MERGES).is_file():
            return place
    raise DamagedFile(f"{folder}: no {VOCABULARY} and {MERGES}, there or in tokenizer/; put the tokenizer's two there")


def _read(folder: Path, size: int) -> str:
    """The tokenizer in a folder as text (:func:`morse.dash.text.tokenizer_text`)."""
    path, vocabulary = folder / VOCABULARY, read_json(folder / VOCABULARY)
    if not isinstance(vocabulary, dict) or sorted(map(str, vocabulary.values())) != sorted(map(str, range(size))):
        raise DamagedFile(f"{path} does not number {size} tokens from 0, as the card's text model does; check both")
    if missing := [mark for mark in (START, END) if mark not in vocabulary]:
        raise DamagedFile(f"{path} has no token {missing[0]}; take the tokenizer of a CLIP text model")
    return tokenizer_text(vocabulary, _merges(folder / MERGES, vocabulary))


def _merges(path: Path, vocabulary: Mapping[str, int]) -> list[list[str]]:
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, ValueError) as error:  # of UTF-8 are ValueErrors
        raise DamagedFile(f"{path} cannot be read ({error}); fetch it again") from error
    pairs = []
    for number, line in enumerate(lines, 1):
        if not line.strip() or (number == 1 and line.startswith("#version")):
            continue
        pair = line.split()
        if len(pair) != 2 or "".join(pair) not in vocabulary:
            raise DamagedFile(f"{path}: line {number} is no pair of tokens of {VOCABULARY}; fetch both again")
        pairs.append(pair)
    return pairs
