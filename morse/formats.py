"""What the formats of our files can hold. Anything else is refused before it is written.

Without these checks it would be written as something else, and nobody would say so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np


def storable(value: Any, name: str) -> np.ndarray:
    """A value as an array that an .npz file gives back equal.

    Args:
        value: a NumPy array, a number, text, or a list or tuple of them.
        name: the file and the array's name, for the error message.

    Raises:
        ValueError: one line, for anything else.
    """
    if not isinstance(value, np.ndarray | np.generic | int | float | str | list | tuple):
        raise ValueError(f"{name} is a {type(value).__name__}; give a NumPy array, a number or text")
    if isinstance(value, np.ma.MaskedArray):
        raise ValueError(f"{name} is a masked array, and the file keeps no mask; fill it first")
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{name} is a list of unlike lengths; give an array") from error
    if array.dtype.kind not in "biufcU":  # others need pickle, or come back as raw bytes
        raise ValueError(f"{name} has values of type {array.dtype}; give numbers or text")
    if array.dtype.kind == "U" and array.tolist() != np.asarray(value, dtype=object).tolist():
        raise ValueError(f"{name} has text beside numbers, or a zero byte at the end of text; give text without it")
    return array


def require_json(content: Any, name: str) -> None:
    """Raises ValueError, one line, for content that JSON does not give back equal.

    JSON holds dictionaries with keys of text, lists, text, finite numbers, True, False and None.

    Args:
        name: the file, for the error message. The key is added.
    """
    if isinstance(content, dict):
        for key, value in content.items():
            if not isinstance(key, str):
                raise ValueError(f"{name}: the key {key!r} is no text, and JSON makes it text; give {str(key)!r}")
            require_json(value, f"{name}: {key}")
    elif isinstance(content, list):
        for place, value in enumerate(content):
            require_json(value, f"{name}[{place}]")
    elif isinstance(content, float) and not math.isfinite(content):
        raise ValueError(f"{name}: {content!r} is no number in JSON; give None where there is no number")
    elif not (content is None or isinstance(content, str | int | float)):
        remedy = "a list" if isinstance(content, tuple | np.ndarray) else "text, a number of Python's or a list"
        raise ValueError(f"{name}: JSON holds no {type(content).__name__}; give {remedy}")


def lacking(content: Any, needs: Mapping[str, type | tuple[type, ...]]) -> str:
    """What JSON content lacks, in words; empty if nothing.

    Args:
        needs: key, with a point before each inner key -> the type that its value must have.
    """
    for key, kind in needs.items():
        found = content
        for part in key.split("."):
            if not isinstance(found, dict) or part not in found:
                return f"it has no {key}"
            found = found[part]
        if not isinstance(found, kind):
            return f"{key} is of type {type(found).__name__}"
    return ""


def require_images(images: Any, name: str) -> None:
    """Raises ValueError, one line, for anything but images: a uint8 array (n, 1 or 3, H, W).

    Args:
        name: the file, and the part of it, for the error message.
    """
    if not isinstance(images, np.ndarray) or isinstance(images, np.ma.MaskedArray):
        fault = f"a {type(images).__name__}"
    elif images.dtype == np.uint8 and images.ndim == 4 and images.shape[1] in (1, 3) and images.size:
        return
    else:
        fault = f"{images.dtype} {images.shape}"
    raise ValueError(f"{name}: images must be a uint8 array (n, 1 or 3, H, W), not {fault}; convert them first")


def require_number(value: Any, name: str, whole: bool = False) -> None:
    """Raises ValueError, one line, for anything but a finite number of 0 or more.

    Args:
        name: the file, and the part of it, for the error message.
        whole: whether it must be an int.
    """
    kind = int if whole else int | float
    if not isinstance(value, kind) or isinstance(value, bool) or not math.isfinite(value) or value < 0:
        raise ValueError(f"{name} must be a {'whole ' if whole else ''}number of 0 or more, not {value!r}; convert it")


def require_text(value: Any, name: str) -> None:
    """Raises ValueError, one line, for anything but text.

    Args:
        name: the file, and the part of it, for the error message.
    """
    if not isinstance(value, str):
        raise ValueError(f"{name} must be text, not {value!r}; convert it")
