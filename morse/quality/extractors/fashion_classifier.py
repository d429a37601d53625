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

from morse.checkpoints import write_state
from morse.data.archive import Split
from morse.data.batches import draw_batch
from morse.data.pixels import UINT8_RULE, to_network
from morse.files import DamagedFile, require, sha256
from morse.quality.extractors import DIMENSIONS, LABELS
from morse.quality.extractors.base import Extractor
from morse.training.loop import LossFunction, TrainSettings, train


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


def classifier_loss(
    network: nn.Module, images: np.ndarray, labels: np.ndarray, batch_size: int, device: torch.device | str = "cpu"
) -> LossFunction:
    """Cross-entropy with mirrored images and shifts by up to two pixels."""

    def loss(step: int, rng: torch.Generator) -> Tensor:
        x, index = draw_batch(images, batch_size, rng, flip=True)
        dx, dy = (int(v) for v in torch.randint(-2, 3, (2,), generator=rng))
        target = torch.from_numpy(labels[index.numpy()].astype(np.int64))
        return functional.cross_entropy(network(x.roll((dy, dx), (2, 3)).to(device)).float(), target.to(device))

    return loss


def train_classifier(
    recipe: Mapping[str, Any], data: Split, held_out: Split, output: Path, device: torch.device | str = "cpu"
) -> dict[str, Any]:
    """Trains the small feature extractor and writes it; resumes like :func:`train_dash`.

    Returns:
        As :func:`train_dash`, with ``accuracy`` on the images of ``held_out``.
    """
    settings = TrainSettings(**recipe["train"])
    torch.manual_seed(settings.seed)
    network = SmallClassifier().to(device)
    loss = classifier_loss(network, data.images, data.labels, recipe["batch_size"], device)
    made_of = {"recipe": dict(recipe), "data": data.identity}
    made = train(network, loss, settings, output.with_suffix(".resume"), "classifier", made_of)
    with torch.inference_mode():
        guesses = [network(to_network(batch).to(device)).argmax(1).cpu() for batch in np.array_split(held_out.images, 20)]
    accuracy = float((torch.cat(guesses).numpy() == held_out.labels).mean())
    write_state(network.state_dict(), output)
    return made | {"accuracy": accuracy, "sha256": sha256(output), "recipe": dict(recipe)}
