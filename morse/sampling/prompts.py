"""Encoded prompts of a run: made once for a model and a list of prompts, and kept as a file.

So a job that samples loads no text encoders, and a prompt is encoded once for all budgets, methods
and guidance scales.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from tqdm import tqdm

from morse.dash.base import Dash
from morse.dash.conditioning import Condition, Encoded
from morse.dash.loading import load_dash
from morse.dash.text import TOKENS
from morse.data.prompts import identity_of
from morse.experiments.cards import Card
from morse.files import DamagedFile, require, write_atomically

BATCH = 64
"""Prompts that are encoded at once."""

PROMPT, EMPTY = "prompt", "empty"
"""Names of the tensors in a file, each with a number behind it."""


def encode_prompts(dash: Dash, prompts: Sequence[str]) -> Encoded:
    """The prompts as Dash takes them, on the CPU.

    Raises:
        ValueError: one line, for no prompts, or a Dash without text encoders.
    """
    if dash.encoders is None:
        raise ValueError("the model takes no prompts, or was loaded without its text encoders; leave the prompts out")
    if not prompts:
        raise ValueError("there is no prompt; give one or more")
    few = len(prompts) <= BATCH
    starts = tqdm(range(0, len(prompts), BATCH), desc="prompts", unit="batch", mininterval=2, disable=few)
    parts = [_encoded(dash, list(prompts[start : start + BATCH])) for start in starts]
    return Encoded(tuple(torch.cat(one) for one in zip(*parts, strict=True)), _encoded(dash, [""]))


def encode_for_runs(card: Card, prompts: Sequence[str], path: Path, device: torch.device | str = "cpu") -> None:
    """Encodes a list of prompts by a model's text encoders, and writes them.

    Prompts that are too long are cut, as CLIP's authors do; how many is printed.
    """
    dash = load_dash(card, device=device)
    encoded = encode_prompts(dash, prompts)
    if cut := dash.encoders.cut(prompts):
        print(f"{cut} of {len(prompts)} prompts are longer than {TOKENS} tokens, and lose their ends", file=sys.stderr)
    save_prompts(encoded, path, f"{dash.weights}/{identity_of(prompts)}")


def _encoded(dash: Dash, prompts: list[str]) -> Condition:
    return tuple(tensor.cpu() for tensor in dash.encoders.encode(prompts))


def save_prompts(encoded: Encoded, path: Path, identity: str) -> None:
    """Writes encoded prompts as safetensors, whole or not at all.

    Args:
        identity: of the list of prompts and the weights that encoded them.
    """
    tensors = dict(_named(PROMPT, encoded.prompts)) | dict(_named(EMPTY, encoded.empty))
    write_atomically(lambda temporary: save_file(tensors, temporary, metadata={"identity": identity}), path)


def load_prompts(path: Path | str) -> Encoded:
    """Reads the file of :func:`save_prompts`. Tensors are memory maps, so a run takes from disk
    what it needs.

    Raises:
        DamagedFile: one line, for a missing or unreadable file.
    """
    path = require(Path(path), None, "encoded prompts")
    try:
        with safe_open(path, framework="pt") as file:
            found = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (SafetensorError, OSError) as error:
        reason = " ".join(str(error).split())
        raise DamagedFile(f"encoded prompts {path} are damaged ({reason}); delete them and run again") from error
    return Encoded(*(_numbered(found, part) for part in (PROMPT, EMPTY)))


def _named(part: str, tensors: Condition) -> Iterator[tuple[str, Tensor]]:
    for number, tensor in enumerate(tensors):
        yield f"{part}.{number}", tensor.contiguous()


def _numbered(found: dict[str, Tensor], part: str) -> Condition:
    return tuple(found[name] for name in sorted(found) if name.startswith(f"{part}."))
