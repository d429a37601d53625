"""Feature extractors: networks that turn images into features, one file each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from morse.registry import Registry

if TYPE_CHECKING:
    import torch

    from morse.quality.extractors.base import Extractor

EXTRACTORS = Registry(
    "feature extractor",
    {
        "fashion-classifier": "morse.quality.extractors.fashion_classifier:fashion_classifier",
        "efficientnet-lite0": "morse.quality.extractors.efficientnet:efficientnet_lite0",
        "inception": "morse.quality.extractors.inception:legacy_tensorflow",
        "inception-clean": "morse.quality.extractors.inception:clean",
        "inception-legacy-pytorch": "morse.quality.extractors.inception:legacy_pytorch",
    },
)

LABELS = {
    "fashion-classifier": "Fréchet distance (small classifier)",
    "efficientnet-lite0": "Fréchet distance (EfficientNet-Lite0)",
    "inception": "FID",
    "inception-clean": "FID (clean)",
    "inception-legacy-pytorch": "FID (legacy PyTorch)",
}
"""Extractor's name -> what a Fréchet distance on its features is called."""


DIMENSIONS = {
    "fashion-classifier": 64,
    "efficientnet-lite0": 1280,
    "inception": 2048,
    "inception-clean": 2048,
    "inception-legacy-pytorch": 2048,
}
"""Extractor's name -> D, known without loading it."""


def load_extractor(settings: Mapping[str, Any], device: torch.device | str = "cpu") -> Extractor:
    """The extractor that ``settings["kind"]`` names in :data:`EXTRACTORS`, made from the rest of ``settings``."""
    return EXTRACTORS[settings["kind"]](settings, device)
