"""Training batches of a data set's images."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from morse.data.pixels import to_network


def draw_batch(
    images: np.ndarray, batch_size: int, rng: torch.Generator, flip: bool, part: slice = slice(None)
) -> tuple[Tensor, Tensor]:
    """(x_0, indices): a batch drawn with replacement, or a part of it.

    With ``flip``, each image is mirrored with probability 1/2. The whole batch is drawn whatever
    the part, so all parts together are the batch.
    """
    index = torch.randint(len(images), (batch_size,), generator=rng)[part]
    x = to_network(images[index.numpy()])
    if flip:
        mirrored = (torch.rand(batch_size, generator=rng) < 0.5)[part]
        x = torch.where(mirrored[:, None, None, None], x.flip(-1), x)
    return x, index
