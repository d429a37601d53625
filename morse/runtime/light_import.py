"""diffusers' U-Net without the rest of diffusers: half of the start-up of a job that samples or trains.

It is for jobs only, which do nothing else. The library imports diffusers as it stands, since its users may want all of it.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

EXTRAS = ("peft", "transformers", "accelerate", "torchvision", "scipy")
"""What diffusers imports where it is installed, and no network of ours uses (peft brings transformers, and that torchvision)."""
COMPILER = "torch._dynamo"
"""diffusers marks functions for it, which are to stay as they are or apart; compiling ours does without."""


def import_unet() -> None:
    """Imports diffusers' UNet2DModel; nothing is hidden from diffusers where it is loaded already."""
    if "diffusers" in sys.modules:
        return
    import torch

    with hidden(*EXTRAS, COMPILER), patch.object(torch.compiler, "disable", _unmarked):
        import diffusers.models.unets.unet_2d  # noqa: F401


def _unmarked(function: Callable | None = None, **_: Any) -> Callable:
    """Stands for ``torch.compiler.disable``, with or without arguments."""
    return function or (lambda later: later)


@contextmanager
def hidden(*names: str) -> Iterator[None]:
    """Within the block, modules that are not loaded yet look absent, to ``importlib.util.find_spec`` and to ``import``.

    Afterwards they can be imported as ever.
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
