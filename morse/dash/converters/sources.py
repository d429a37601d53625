"""Reading what others saved, without running anything that it says."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from morse.files import DamagedFile

RAW = {
    "82ed3067fd1002f5cf4c339fb80c4669": "ema_diffusion_cifar10_model",
    "eb619b8a5ab95ef80f94ce8a5488dae3": "ema_diffusion_lsun_church_model",
}
"""MD5 of published files with raw weights -> the file with their EMA (ermongroup/ddim,
functions/ckpt_util.py). Nothing else tells them apart."""

WEIGHTS = (
    "diffusion_pytorch_model.safetensors",
    "diffusion_pytorch_model.bin",
    "model.safetensors",
    "pytorch_model.bin",
)
"""Names of diffusers' and of transformers' files of weights, the better ones first."""


class Inert:
    """Stands in a file's content for an object of a class that is not loaded. It does nothing."""

    def __init__(self, *_: Any, **__: Any):
        pass

    def __setstate__(self, _: Any) -> None:
        pass


def _without_classes(path: Path) -> list[tuple[type, str]]:
    """Each class and function that a file asks for, with :class:`Inert` in its place."""
    return [(Inert, name) for name in torch.serialization.get_unsafe_globals_in_checkpoint(path)]


def read_source(source: Path, inert: bool = False) -> Any:
    """The content of a file of weights: what ``torch.save`` or safetensors wrote.

    Args:
        source: a file, or a diffusers folder, or one with such a folder ``unet``. A folder may be a
            file instead, such as ``unet.safetensors``. So the sources of a card lie.
        inert: put objects that do nothing in the place of those that a file holds beside its
            tensors, such as PyTorch Lightning's. Nothing of theirs is imported or run.

    Raises:
        DamagedFile: one line, for a file that is missing or truncated, that holds anything but
            tensors, numbers and text, or that has raw weights where EMA weights are published.
    """
    path = _file_of(source)
    if path.suffix == ".safetensors":
        try:
            return load_file(path)
        except (SafetensorError, OSError) as error:
            raise DamagedFile(f"{path} cannot be read ({error}); fetch it again") from error
    if other := RAW.get(_md5(path)):
        raise DamagedFile(f"{path} has raw weights, with which images are far worse; take the file {other}*.ckpt")
    try:
        with torch.serialization.safe_globals(_without_classes(path) if inert else []):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        why = " ".join(str(error).split())[:160]
        raise DamagedFile(
            f"{path} asks to run code, or is no file of torch.save, and is not read ({why}); take a file of tensors"
        ) from error
    except (OSError, RuntimeError, EOFError, ValueError) as error:
        why = " ".join(str(error).split())[:160]
        raise DamagedFile(f"{path} is truncated or no file of torch.save ({why}); fetch it again") from error


def _file_of(source: Path) -> Path:
    if source.is_file():
        return source
    folders = (source, source / "unet")
    files = [folder / name for folder in folders for name in WEIGHTS]
    files += [folder.parent / f"{folder.name}.safetensors" for folder in folders]
    if found := next((path for path in files if path.is_file()), None):
        return found
    wanted = f"no {' or '.join(WEIGHTS[:2])}" if source.is_dir() else "no such file"
    raise DamagedFile(f"{source}: {wanted}; name the original file, or a diffusers folder")


def _md5(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def tensors(content: Any, what: str) -> dict[str, torch.Tensor]:
    """``content``, if it is a mapping from names to tensors. Raises ValueError otherwise."""
    if not isinstance(content, dict) or not content or not all(isinstance(v, torch.Tensor) for v in content.values()):
        raise ValueError(f"{what} is no mapping from names to tensors")
    return content
