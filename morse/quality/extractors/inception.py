"""Inception's features as in clean-fid's three modes, from arrays in memory: the field's FID.

A FID says little without its mode: the resize to 299 x 299 alone changes it by whole points (Parmar
et al., arXiv 2104.11222). Papers report ``legacy_tensorflow``. The weights must be on disk already
(:mod:`morse.published`); nothing is downloaded here.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from morse.data.pixels import UINT8_RULE, to_rgb
from morse.experiments.cards import resource
from morse.files import require
from morse.quality.extractors.base import Extractor
from morse.runtime.device import memory_format

SIDE, DIM = 299, 2048
BATCH, BATCH_ON_CPU = 50, 10
"""Images at once. On a CPU larger batches leave the cache: 50 at once take 1.1 times the time."""


def resized_clean(images: Tensor) -> Tensor:
    """Images in three channels, resized as by clean-fid.

    Pillow's antialiased bicubic resizes each channel in float32; values are clipped.
    """
    from cleanfid.resize import build_resizer

    resize = build_resizer("clean")
    resized = [resize(image) for image in to_rgb(images).permute(0, 2, 3, 1).cpu().numpy()]
    return torch.from_numpy(np.stack(resized)).permute(0, 3, 1, 2).to(images.device)


def resized_legacy_pytorch(images: Tensor) -> Tensor:
    """Images in three channels, resized as by old pytorch-fid.

    The resize is bilinear without antialiasing; values are clipped.
    """
    return functional.interpolate(to_rgb(images), (SIDE, SIDE), mode="bilinear", align_corners=False).clamp(0, 255)


def legacy_tensorflow(settings: Mapping[str, Any], device: torch.device | str = "cpu") -> Extractor:
    """Inception in mode ``legacy_tensorflow``: TensorFlow's resize, inside the network.

    It resizes to 299 x 299.

    Args:
        settings: optionally ``sha256``, the hash that the weights must have instead of the
            published one.

    Raises:
        DamagedFile: one line that names the file and the remedy, for absent or altered weights.
    """
    return _torchscript("inception", settings, to_rgb, device)


def clean(settings: Mapping[str, Any], device: torch.device | str = "cpu") -> Extractor:
    """Inception in mode ``clean``, otherwise as :func:`legacy_tensorflow`."""
    return _torchscript("inception-clean", settings, resized_clean, device)


def _torchscript(
    name: str, settings: Mapping[str, Any], prepare: Callable[[Tensor], Tensor], device: torch.device | str
) -> Extractor:
    path, weights = _weights(settings)

    from cleanfid.inception_torchscript import InceptionV3W  # here: the mini scale does not need clean-fid

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*torch.jit.load.*")
        network = InceptionV3W(str(path.parent), download=False, resize_inside=prepare is to_rgb).eval()
    network.to(device, memory_format=memory_format(device))
    return _extractor(name, weights, lambda images: network(prepare(images)), device)


def legacy_pytorch(settings: Mapping[str, Any], device: torch.device | str = "cpu") -> Extractor:
    """Inception in mode ``legacy_pytorch``, with pytorch-fid's weights.

    Otherwise as :func:`legacy_tensorflow`.
    """
    name = "inception-legacy-pytorch"
    path, weights = _weights(settings)

    from cleanfid import inception_pytorch
    from torchvision.models.inception import BasicConv2d

    def from_disk(url: str, **_: Any) -> dict[str, Tensor]:
        return torch.load(path, map_location="cpu", weights_only=True)

    with warnings.catch_warnings(), patch.object(inception_pytorch, "load_state_dict_from_url", from_disk):
        warnings.simplefilter("ignore")  # torchvision's warnings of old arguments
        network = inception_pytorch.InceptionV3(output_blocks=[3], resize_input=False).eval()
    for block in network.modules():  # the same function apart from rounding, a tenth faster on a CPU
        if isinstance(block, BasicConv2d):
            block.conv, block.bn = fuse_conv_bn_eval(block.conv, block.bn), nn.Identity()
    network.to(device, memory_format=memory_format(device))
    return _extractor(name, weights, lambda images: network(resized_legacy_pytorch(images) / 255)[0][..., 0, 0], device)


def _weights(settings: Mapping[str, Any]) -> tuple[Path, str]:
    """The extractor's file, and its SHA-256, once it is checked."""
    weights = settings["weights"]
    return require(resource(weights["file"]), weights["sha256"], "weights"), weights["sha256"].lower()


def _extractor(name: str, weights: str, embed: Callable[[Tensor], Tensor], device: torch.device | str) -> Extractor:
    batch_size = BATCH_ON_CPU if torch.device(device).type == "cpu" else BATCH
    return Extractor(name, DIM, f"{name}/{weights}/{UINT8_RULE}", embed, device, batch_size)
