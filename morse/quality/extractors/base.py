"""Feature extractors: uint8 images -> feature vectors, of which :mod:`morse.quality.statistics` keeps sums.

The small classifier stands here; it ships with this repository and judges the mini twins of 1 x 32 x 32. Inception, through
clean-fid, gives the field's FID (:mod:`morse.quality.extractors.inception`). A distance on the features of any other network is a Fréchet distance but
no FID, and is never called one. One more extractor is one function that returns an :class:`Extractor`, and its entries here and in
:mod:`morse.quality.statistics`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Extractor:
    """A frozen function from images to features.

    Attributes:
        name: its entry in :data:`EXTRACTORS`.
        label: what a Fréchet distance on its features is called on an axis.
        dim: D, the number of features.
        identity: name, hash of the weights and uint8 rule; statistics of unlike identities are never compared.
        embed: uint8 (B, C, H, W) on ``device`` -> (B, D).
        batch_size: images that go through ``embed`` at once, to bound memory; the features do not depend on it.
    """

    name: str
    label: str
    dim: int
    identity: str
    embed: Callable[[Tensor], Tensor]
    device: torch.device | str = "cpu"
    batch_size: int = 250

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
