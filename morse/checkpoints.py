"""Weights of a network as a safetensors file, checked against the network that loads them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from morse.files import DamagedFile, write_bytes
from morse.formats import require_text


def read_state(path: Path, like: Mapping[str, Tensor], without: tuple[str, ...] = ()) -> dict[str, Tensor]:
    """The tensors of a weights file, with the names and shapes of ``like``.

    Args:
        without: beginnings of names that are not read.

    Raises:
        DamagedFile: for a file that cannot be read or belongs to another network.
    """
    return require_state(_tensors(path, lambda name: not name.startswith(without)), like, path)


def read_texts(path: Path, prefix: str) -> list[str]:
    """The texts that :func:`as_tensor` put into a weights file, named ``prefix`` and a number.

    Raises:
        DamagedFile: one line, for a file that cannot be read.
    """
    found = _tensors(path, lambda name: name.startswith(prefix))
    return [bytes(found[name].tolist()).decode("utf-8") for name in sorted(found)]


def as_tensor(text: str) -> Tensor:
    """A text as a tensor of its UTF-8 bytes, (n,) uint8."""
    return torch.tensor(list(text.encode("utf-8")), dtype=torch.uint8)


def _tensors(path: Path, wanted: Callable[[str], bool]) -> dict[str, Tensor]:
    with _readable(path), safe_open(path, "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys() if wanted(name)}  # noqa: SIM118 - no mapping


def require_state(state: dict[str, Tensor], like: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """The tensors themselves, if they have the names and shapes of ``like``.

    Raises:
        DamagedFile: one line with the first name that does not fit, and how many do not.
    """
    shapes = {name: tuple(value.shape) for name, value in like.items()}
    if wrong := sorted(
        name for name in {*state, *shapes} if name not in state or shapes.get(name) != tuple(state[name].shape)
    ):
        remedy = _prefix_hint(state, shapes) or "check the card"
        more = f" and {len(wrong) - 1} more do" if wrong[1:] else " does"
        raise DamagedFile(f"weights {path} belong to another network: {wrong[0]}{more} not fit; {remedy}")
    return state


def _prefix_hint(found: Iterable[str], wanted: Iterable[str]) -> str:
    """What to do if one side's names are the other's behind a prefix; empty if they are not.

    torch.compile and DataParallel put such prefixes before the names of what they wrap.
    """
    found, wanted = set(found), set(wanted)
    for longer, shorter in ((found, wanted), (wanted, found)):
        first = min(longer, default="")
        for prefix in (first[: place + 1] for place, letter in enumerate(first) if letter == "."):
            bare = {name.removeprefix(prefix) for name in longer if name.startswith(prefix)}
            if len(bare) == len(longer) and bare & shorter and not (longer & shorter):
                rest = "" if bare == shorter else ", though other names differ too"
                fault = "all names in the file begin with" if longer is found else "no name in the file begins with"
                remedy = "take it off" if longer is found else "put it before them"
                return f"{fault} {prefix!r}{rest}: {remedy} and save the weights again"
    return ""


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

    Raises:
        ValueError: one line that names the file and the entry that it cannot hold.
        UnwritableFile: as :func:`morse.files.write_atomically`.
    """
    for name, value in metadata.items():
        require_text(value, f"{path}: metadata: {name}")
    if not state:
        raise ValueError(f"{path}: a file without tensors cannot be read; give one or more")
    tensors = {}
    for name, value in state.items():
        if not isinstance(value, Tensor) or not isinstance(name, str) or name == "__metadata__":
            raise ValueError(f"{path}: {name!r} is no tensor with a name; leave it out or rename it")
        try:  # cloned, as two names of one tensor are refused
            tensors[name] = value.detach().cpu().clone(memory_format=torch.contiguous_format)
            save({name: tensors[name][:0] if value.ndim else tensors[name]})
        except (KeyError, RuntimeError) as error:
            raise ValueError(
                f"{path}: {name} is a {value.layout} {value.dtype} on {value.device}, which the format cannot hold; "
                "convert it to a dense tensor of a real type"
            ) from error
    try:
        content = save(tensors, metadata)
    except UnicodeEncodeError as error:
        raise ValueError(f"{path}: a name or the metadata has {error.object!r}, which is no text; rename it") from error
    write_bytes(content, path)
