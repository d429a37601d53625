"""Weights of a network as a safetensors file, checked against the network that loads them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from morse.files import DamagedFile, write_atomically


def read_state(path: Path, like: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a weights file, with the names and shapes of ``like``.

    Raises:
        DamagedFile: for a file that cannot be read or belongs to another network.
    """
    with _readable(path):
        state = load_file(path)
    shapes = {name: tuple(value.shape) for name, value in like.items()}
    if wrong := sorted(
        name for name in {*state, *shapes} if name not in state or shapes.get(name) != tuple(state[name].shape)
    ):
        raise DamagedFile(
            f"weights {path} belong to another network: {wrong[0]} and {len(wrong) - 1} more do not fit; check the card"
        )
    return state


def read_metadata(path: Path) -> dict[str, str]:
    """The metadata of a weights file. Raises DamagedFile for a file that cannot be read."""
    with _readable(path), safe_open(path, "pt") as file:
        return file.metadata() or {}


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (SafetensorError, OSError) as error:
        raise DamagedFile(f"weights {path} cannot be read ({error}); restore or remake the file") from error


def write_state(state: Mapping[str, Tensor], path: Path, **metadata: str) -> None:
    """Writes tensors and metadata as a safetensors file, whole or not at all.

    Equal tensors give equal bytes.
    """
    tensors = {name: value.detach().cpu().contiguous() for name, value in state.items()}
    write_atomically(lambda temporary: save_file(tensors, temporary, metadata), path)
