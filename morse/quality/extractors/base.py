"""The extractor: a frozen function from uint8 images to feature vectors.

Inception's features give the field's FID (:mod:`morse.quality.extractors.inception`). On the
features of any other network, a Fréchet distance is not FID and is never called so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Extractor:
    """A frozen function from images to features.

    Attributes:
        name: its kind in :data:`morse.quality.extractors.EXTRACTORS`.
        dim: D, the number of features.
        identity: name, hash of the weights and uint8 rule. Statistics of different identities are
            never compared.
        embed: uint8 (B, C, H, W) on ``device`` -> (B, D).
        batch_size: images that ``embed`` gets at once, which bounds memory. Features do not depend
            on it.
        label: the name of a Fréchet distance on its features, from its card.
    """

    name: str
    dim: int
    identity: str
    embed: Callable[[Tensor], Tensor]
    device: torch.device | str = "cpu"
    batch_size: int = 250
    label: str = ""

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """uint8 (B, C, H, W) -> float64 (B, D).

        Raises:
            ValueError: for images that are not uint8 or not of four dimensions.
        """
        if images.dtype != np.uint8 or images.ndim != 4:
            raise ValueError(f"{self.name} reads uint8 (B, C, H, W), not {images.dtype} {images.shape}")
        features = np.empty((len(images), self.dim))
        with torch.inference_mode():
            for first in range(0, len(images), self.batch_size):
                batch = torch.from_numpy(images[first : first + self.batch_size].copy()).to(self.device)
                features[first : first + len(batch)] = self.embed(batch).float().cpu().numpy()
        return features


class TextFeatures(NamedTuple):
    """Features of prompts by an extractor that reads text too.

    Attributes:
        extractor: its identity, the same as that of its image features.
        values: (n, D) float32.
        cut: how many prompts were too long for it and were cut.
    """

    extractor: str
    values: np.ndarray
    cut: int
