"""Feature extractors: uint8 images -> feature vectors, of which :mod:`morse.quality.statistics` keeps sums.

The small classifier stands here; it ships with this repository and judges the mini twins of 1 x 32 x 32. Inception, through
clean-fid, gives the field's FID (:mod:`morse.quality.extractors.inception`). A distance on the features of any other network is a Fréchet distance but
no FID, and is never called one. One more extractor is one function that returns an :class:`Extractor`, and its entries here and in
:mod:`morse.quality.statistics`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from morse.files import DamagedFile, require
from morse.registry import Registry
from morse.quality.statistics import DIMENSIONS, LABELS

UINT8_RULE = "uint8=round(127.5(x+1))"
"""How samples in [-1, 1] become the uint8 images that extractors read (rounded, then clamped to 0..255)."""

EXTRACTORS = Registry(
    "feature extractor",
    {
        "fashion-classifier": "morse.quality.extractors.base:fashion_classifier",
        "efficientnet-lite0": "morse.quality.extractors.efficientnet:efficientnet_lite0",
        "inception": "morse.quality.extractors.inception:legacy_tensorflow",
        "inception-clean": "morse.quality.extractors.inception:clean",
        "inception-legacy-pytorch": "morse.quality.extractors.inception:legacy_pytorch",
    },
)


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


def load_extractor(settings: Mapping[str, Any], device: torch.device | str = "cpu") -> Extractor:
    """The extractor that ``settings["kind"]`` names in :data:`EXTRACTORS`, made from the rest of ``settings``."""
    return EXTRACTORS[settings["kind"]](settings, device)


def to_rgb(images: Tensor) -> Tensor:
    """uint8 (B, 1 or 3, H, W) -> float32 (B, 3, H, W) in 0..255, grey repeated."""
    return images.float().expand(-1, 3, -1, -1)


class SmallClassifier(nn.Module):
    """A small CNN for 1 x 32 x 32 images in [-1, 1]: 286,506 parameters, 7 million multiply-adds an image.

    Five 3 x 3 convolutions, each with group normalisation (no running averages, so that the mean of weights that training
    leaves is the whole network) and SiLU, of strides 2, 2, 1, 2, 1; then 64 features by a 1 x 1 convolution, SiLU and the
    mean over the 4 x 4 positions, so that the features are smooth in the image.
    """

    DIM = DIMENSIONS["fashion-classifier"]
    IMAGE_SHAPE = (1, 32, 32)

    def __init__(self, classes: int = 10):
        super().__init__()
        self.body = nn.Sequential(
            *_convolution(1, 32, 2),  # 16 x 16
            *_convolution(32, 64, 2),  # 8 x 8
            *_convolution(64, 64, 1),
            *_convolution(64, 128, 2),  # 4 x 4
            *_convolution(128, 128, 1),
            nn.Conv2d(128, self.DIM, 1),
            nn.SiLU(),
        )
        self.head = nn.Linear(self.DIM, classes)

    def features(self, x: Tensor) -> Tensor:
        """(B, 1, 32, 32) in [-1, 1] -> (B, 64)."""
        return self.body(x).mean((2, 3))

    def forward(self, x: Tensor) -> Tensor:
        """(B, 1, 32, 32) in [-1, 1] -> logits (B, classes)."""
        return self.head(self.features(x))


def _convolution(channels_in: int, channels_out: int, stride: int) -> list[nn.Module]:
    convolution = nn.Conv2d(channels_in, channels_out, 3, stride, padding=1, bias=False)
    return [convolution, nn.GroupNorm(8, channels_out), nn.SiLU()]


def fashion_classifier(settings: Mapping[str, Any], device: torch.device | str = "cpu") -> Extractor:
    """The trained :class:`SmallClassifier`.

    Args:
        settings: ``weights``, with the ``file`` (safetensors) and its ``sha256``.

    Raises:
        DamagedFile: for a missing or altered file, or one that holds another network; one line.
    """
    weights = settings["weights"]
    path = require(weights["file"], weights["sha256"], "weights")
    network = SmallClassifier()
    try:
        network.load_state_dict(load_file(path))
    except (SafetensorError, RuntimeError) as error:
        raise DamagedFile(f"weights {path} are not a SmallClassifier's; restore the file or train it again with its rule") from error
    network.eval().requires_grad_(False).to(device)

    def embed(images: Tensor) -> Tensor:
        if images.shape[1:] != network.IMAGE_SHAPE:
            raise ValueError(f"fashion-classifier reads images of {network.IMAGE_SHAPE}, not {tuple(images.shape[1:])}")
        return network.features(images.float() / 127.5 - 1.0)

    identity = f"fashion-classifier/{weights['sha256']}/{UINT8_RULE}"
    return Extractor("fashion-classifier", LABELS["fashion-classifier"], network.DIM, identity, embed, device)
