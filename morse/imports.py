"""Imports that pull no more than they need."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch


@contextmanager
def without_optional_packages(*names: str) -> Iterator[None]:
    """Within the block, the packages look absent to whoever asks ``importlib.util.find_spec`` first, as diffusers does.

    diffusers' U-Net needs none of its optional packages, but imports those that are installed: peft brings transformers, and that
    torchvision, half of the start-up of every sampling node. ``import`` statements of these packages elsewhere are untouched.
    """
    find_spec = importlib.util.find_spec

    def hidden(name: str, package: str | None = None):
        return None if name.split(".")[0] in names else find_spec(name, package)

    with patch("importlib.util.find_spec", hidden):
        yield
