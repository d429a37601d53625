"""diffusers' U-Net without the rest of diffusers: half of the start-up time of a job that samples
or trains.

Only jobs use this, as they do nothing else. The library imports diffusers in full, since its users
may want all of it.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

EXTRAS = ("peft", "transformers", "accelerate", "torchvision", "scipy")
"""Packages that diffusers imports if they are installed, and that no network of ours uses (peft
imports transformers, and transformers imports torchvision)."""
COMPILER = "torch._dynamo"
"""The compiler, which ``torch.compiler.disable`` loads. diffusers marks functions with it, to be
left uncompiled. Our compilation does not need these marks."""


def import_unet() -> None:
    """Imports diffusers' UNet2DModel. Does nothing if diffusers is already loaded."""
    if "diffusers" in sys.modules:
        return
    import torch

    with hidden(*EXTRAS, COMPILER), patch.object(torch.compiler, "disable", _unmarked):
        import diffusers.models.unets.unet_2d  # noqa: F401


def _unmarked(function: Callable | None = None, **_: Any) -> Callable:
    """Replaces ``torch.compiler.disable``, with or without arguments. Changes no function."""
    return function or (lambda later: later)


@contextmanager
def hidden(*names: str) -> Iterator[None]:
    """Within the block, modules that are not loaded yet appear to be absent, both to
    ``importlib.util.find_spec`` and to ``import``.

    After the block they can be imported as usual.
    """
    find_spec = importlib.util.find_spec
    absent = [name for name in names if name not in sys.modules]

    def find(name: str, package: str | None = None):
        return None if any(name == one or name.startswith(f"{one}.") for one in absent) else find_spec(name, package)

    sys.modules.update(dict.fromkeys(absent))  # None makes `import` raise ModuleNotFoundError
    try:
        with patch("importlib.util.find_spec", find):
            yield
    finally:
        for name in absent:
            del sys.modules[name]
