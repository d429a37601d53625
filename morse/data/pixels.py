"""Samples in [-1, 1] <-> uint8 images, with one rule of rounding."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional


def to_network(images: np.ndarray) -> Tensor:
    """uint8 (B, C, H, W) -> float32 in [-1, 1]: 0 becomes -1, 255 becomes 1."""
    return torch.from_numpy(images).float() / 127.5 - 1.0


def to_uint8(x: Tensor) -> np.ndarray:
    """[-1, 1] -> uint8, rounded to the nearest and clamped, as :data:`UINT8_RULE` says."""
    return ((x.float() + 1.0) * 127.5).round().clamp(0, 255).to(torch.uint8).cpu().numpy()


def resized(x: Tensor, size: int) -> Tensor:
    """Images (B, C, H, W) as (B, C, size, size): bicubic with antialiasing; unchanged if they have
    the size."""
    if x.shape[-1] == size:
        return x
    return functional.interpolate(x, (size, size), mode="bicubic", align_corners=False, antialias=True)


UINT8_RULE = "uint8=round(127.5(x+1))"
"""How samples in [-1, 1] become the uint8 images that extractors read (rounded, then clamped to
0..255). It is part of every extractor's identity."""


def to_rgb(images: Tensor) -> Tensor:
    """uint8 (B, 1 or 3, H, W) -> float32 (B, 3, H, W) in 0..255, with grey repeated."""
    return images.float().expand(-1, 3, -1, -1)
