"""What a network is conditioned on, beside the sample and the time: the class of each image.

A condition travels as one more argument, which nobody on its way looks at: ``dash(x, t, cond)``.
For a network without any it is None, and calls have no such argument.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from morse.seeds import generator

CLASS_STREAM = 4
"""Tells an image's class from its noise: both follow from the run's seed and the image's index."""


def given(cond: Tensor | None) -> tuple[Tensor, ...]:
    """The last arguments of a call: none, or the condition.

    >>> given(None)
    ()
    """
    return () if cond is None else (cond,)


def classes_of(seed: int, indices: Iterable[int], classes: int, device: Any = "cpu") -> Tensor | None:
    """The classes of some images of a run, (B,): each uniform among all, as ADM's authors sample.

    Image i has the same class whatever the batch. None if the network takes no classes.
    """
    if not classes:
        return None
    drawn = [int(torch.randint(classes, (), generator=generator(seed, i, CLASS_STREAM))) for i in indices]
    return torch.tensor(drawn, device=device)


def picked(labels: np.ndarray | None, index: Tensor, device: Any = "cpu") -> Tensor | None:
    """The condition of a batch of a data set, (B,): the labels of :func:`labels_for` at the images'
    places."""
    return None if labels is None else torch.from_numpy(labels[index.numpy()]).to(device)


def labels_for(labels: np.ndarray | None, classes: int) -> np.ndarray | None:
    """The labels of a data set as conditions of a network; None if it takes no classes.

    Raises:
        ValueError: one line, if there are no labels, or one that the network does not have.
    """
    if not classes:
        return None
    if labels is None:
        raise ValueError(f"the network takes one of {classes} classes for each image; give the labels")
    if (largest := int(labels.max())) >= classes:
        raise ValueError(f"the data have a class {largest}, the network takes classes 0 to {classes - 1}")
    return labels.astype(np.int64)
