"""Imports that pull no more than they need."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

DIFFUSERS_EXTRAS = ("peft", "transformers", "accelerate", "torchvision", "scipy")
"""What diffusers imports where it is installed, and no network of ours uses."""


@contextmanager
def without_optional_packages(of: str, *names: str) -> Iterator[None]:
    """Within the block, packages that are not loaded yet look absent, to ``importlib.util.find_spec`` and to ``import``.

    diffusers' U-Net needs none of its optional packages, but imports those that are installed (peft brings transformers, and that
    torchvision): half of the start-up of every sampling node. Afterwards the packages can be imported as ever.

    Args:
        of: the package that would import them. Where it is loaded already it has seen them, and nothing is hidden from it.
    """
    if of in sys.modules:
        yield
        return
    find_spec = importlib.util.find_spec
    absent = [name for name in names if name not in sys.modules]

    def hidden(name: str, package: str | None = None):
        return None if name.split(".")[0] in absent else find_spec(name, package)

    sys.modules.update(dict.fromkeys(absent))  # None makes `import` raise ModuleNotFoundError
    try:
        with patch("importlib.util.find_spec", hidden):
            yield
    finally:
        for name in absent:
            del sys.modules[name]
