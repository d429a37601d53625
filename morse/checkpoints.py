"""Weights of a network as a safetensors file, checked against the network that loads them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from morse.files import DamagedFile, write_atomically


def read_state(path: Path, like: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The file's tensors, whose names and shapes are those of ``like``."""
    try:
        state = load_file(path)
    except (SafetensorError, OSError) as error:
        raise DamagedFile(f"weights {path} cannot be read ({error}); restore or remake the file") from error
    shapes = {name: tuple(value.shape) for name, value in like.items()}
    if wrong := sorted(name for name in {*state, *shapes} if name not in state or shapes.get(name) != tuple(state[name].shape)):
        raise DamagedFile(f"weights {path} belong to another network: {wrong[0]} and {len(wrong) - 1} more do not fit; check the card")
    return state


def write_state(state: Mapping[str, Tensor], path: Path, **metadata: str) -> None:
    tensors = {name: value.detach().cpu().contiguous() for name, value in state.items()}
    write_atomically(lambda temporary: save_file(tensors, temporary, metadata), path)
