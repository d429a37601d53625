"""The small classifier of Fashion-MNIST: its network, its training, its features."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from morse.data.archive import Split
from morse.data.batches import draw_batch
from morse.data.pixels import UINT8_RULE, to_network
from morse.experiments.cards import resource
from morse.files import DamagedFile, require
from morse.quality.extractors.base import Extractor
from morse.training.loop import LossFunction
from morse.training.to_file import train_to_file


class SmallClassifier(nn.Module):
    """A small CNN for 1 x 32 x 32 images in [-1, 1].

    It has 286,506 parameters and takes 7 million multiply-adds an image. First are five 3 x 3
    convolutions, of strides 2, 2, 1, 2, 1, each with group normalisation and SiLU. Then a 1 x 1
    convolution gives 64 features, with SiLU and the mean over the 4 x 4 positions, which makes them
    smooth in the image. Group normalisation has no running averages, so the mean of weights that
    training leaves is the whole network.
    """

    DIM = 64
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
    """The trained :class:`SmallClassifier` as an extractor.

    Args:
        settings: ``weights``, with the ``file`` (safetensors) and its ``sha256``.

    Raises:
        DamagedFile: one line, for a missing or altered file, or one that holds another network.
    """
    weights = settings["weights"]
    path = require(resource(weights["file"]), weights["sha256"], "weights")
    network = SmallClassifier()
    try:
        network.load_state_dict(load_file(path))
    except (SafetensorError, RuntimeError) as error:
        raise DamagedFile(
            f"weights {path} are not a SmallClassifier's; restore the file or train it again with its rule"
        ) from error
    network.eval().requires_grad_(False).to(device)

    def embed(images: Tensor) -> Tensor:
        if images.shape[1:] != network.IMAGE_SHAPE:
            raise ValueError(f"fashion-classifier reads images of {network.IMAGE_SHAPE}, not {tuple(images.shape[1:])}")
        return network.features(images.float() / 127.5 - 1.0)

    identity = f"fashion-classifier/{weights['sha256'].lower()}/{UINT8_RULE}"
    return Extractor("fashion-classifier", network.DIM, identity, embed, device)


def classifier_loss(
    network: nn.Module, images: np.ndarray, labels: np.ndarray, batch_size: int, device: torch.device | str = "cpu"
) -> LossFunction:
    """Cross-entropy loss, with images mirrored and shifted by up to two pixels."""

    def loss(step: int, rng: torch.Generator) -> Tensor:
        x, index = draw_batch(images, batch_size, rng, flip=True)
        dx, dy = (int(v) for v in torch.randint(-2, 3, (2,), generator=rng))
        target = torch.from_numpy(labels[index.numpy()].astype(np.int64))
        return functional.cross_entropy(network(x.roll((dy, dx), (2, 3)).to(device)).float(), target.to(device))

    return loss


def train_classifier(
    recipe: Mapping[str, Any], data: Split, held_out: Split, output: Path, device: torch.device | str = "cpu"
) -> dict[str, Any]:
    """Trains the classifier and writes it (:func:`morse.training.to_file.train_to_file`).

    Returns:
        The record of that function, with ``accuracy`` on the images of ``held_out``.
    """
    networks: list[SmallClassifier] = []

    def make() -> tuple[nn.Module, LossFunction]:
        networks.append(SmallClassifier().to(device))
        return networks[0], classifier_loss(networks[0], data.images, data.labels, recipe["batch_size"], device)

    record = train_to_file(make, recipe, output, "classifier", made_of={"data": data.identity})
    with torch.inference_mode():
        guesses = [
            networks[0](to_network(batch).to(device)).argmax(1).cpu() for batch in np.array_split(held_out.images, 20)
        ]
    return record | {"accuracy": float((torch.cat(guesses).numpy() == held_out.labels).mean())}
