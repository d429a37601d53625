"""What a network is conditioned on, beside the sample and the time: classes, or encoded prompts.

A condition is a tuple of tensors, each with a row (B, ...) for each image. It travels as further
arguments, which nobody on its way looks at: ``dash(x, t, *cond)``. It is one of

- ``()``, of a network without any;
- ``(classes,)``, (B,) whole numbers;
- ``(scale, *prompt, *negative)``, of a network with classifier-free guidance (Ho and Salimans 2022,
  arXiv 2207.12598): the guidance scale (B,), the encoded prompts, and the encoded prompts that
  guidance leads away from, as a rule empty ones;
- ``(scale, *prompt)``, of a network that has the guidance scale as an input, such as LCM's.

An encoded prompt is what the network takes: ``(text,)``, (B, L, D), or for SDXL ``(text, pooled,
time_ids)``, (B, L, D), (B, P) and (B, 6).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from morse.seeds import generator

Condition = tuple[Tensor, ...]
"""As above."""

CLASSIFIER_FREE, EMBEDDED = "classifier-free", "embedded"
"""How a network is guided: by two estimates of each image, or by an input."""

CLASS_STREAM = 4
"""Tells an image's class from its noise: both follow from the run's seed and the image's index."""

ADDED = ("text_embeds", "time_ids")
"""diffusers' names of what SDXL's network takes beside the text."""


def classes_of(seed: int, indices: Iterable[int], classes: int, device: Any = "cpu") -> Condition:
    """The classes of some images of a run, (B,): each uniform among all, as ADM's authors sample.

    Image i has the same class whatever the batch. Empty if the network takes no classes.
    """
    if not classes:
        return ()
    drawn = [int(torch.randint(classes, (), generator=generator(seed, i, CLASS_STREAM))) for i in indices]
    return (torch.tensor(drawn, device=device),)


def picked(labels: np.ndarray | None, index: Tensor, device: Any = "cpu") -> Condition:
    """The condition of a batch of a data set: the labels of :func:`labels_for` at the images'
    places."""
    return () if labels is None else (torch.from_numpy(labels[index.numpy()]).to(device),)


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


@dataclass(frozen=True)
class Encoded:
    """Encoded prompts.

    Attributes:
        prompts: (n, ...) tensors, those of a network's encoded prompt.
        empty: (1, ...) tensors, those of the empty prompt.
    """

    prompts: Condition
    empty: Condition

    def condition(self, indices: Sequence[int], kind: str, scale: float, device: Any = "cpu") -> Condition:
        """The condition of some images of a run. Image i has prompt i modulo their number.

        Args:
            kind: of guidance.
            scale: of guidance.
        """
        count = len(self.prompts[0])
        rows = torch.tensor([index % count for index in indices])
        own = tuple(tensor[rows].to(device) for tensor in self.prompts)
        return guided(torch.full((len(rows),), scale, device=device), own, self.empty, kind)


def guided(scale: Tensor, own: Condition, empty: Condition, kind: str) -> Condition:
    """The condition of encoded prompts (B, ...) and guidance scales (B,).

    Args:
        empty: encoded prompts (1, ...) that guidance leads away from.
        kind: of guidance.
    """
    if kind == EMBEDDED:
        return scale, *own
    return scale, *own, *(one.to(scale.device).expand(len(scale), *one.shape[1:]) for one in empty)


def conditions_of(
    dash: Any, seed: int, device: Any = "cpu", encoded: Encoded | None = None, scale: float | None = None
) -> Callable[[Sequence[int]], Condition]:
    """Indices of images of a run -> their condition.

    Args:
        dash: a :class:`morse.dash.base.Dash`.
        encoded: the run's prompts.
        scale: of guidance.

    Raises:
        ValueError: one line, for prompts or a scale that the network lacks or does not take.
    """
    if not dash.guidance:
        if encoded is not None or scale is not None:
            raise ValueError("the network takes no prompts and no guidance scale; leave them out")
        return lambda indices: classes_of(seed, indices, dash.classes, device)
    if encoded is None or scale is None:
        raise ValueError("the network takes prompts and a guidance scale; give both")
    return lambda indices: encoded.condition(indices, dash.guidance, scale, device)


def cast(inputs: Condition, dtype: torch.dtype) -> Condition:
    """Tensors in the precision of a network's weights; whole numbers stay."""
    return tuple(one.to(dtype) if one.is_floating_point() else one for one in inputs)


def network_arguments(network: nn.Module, prompt_or_classes: Sequence[Tensor]) -> dict[str, Any]:
    """The condition as arguments of a network of diffusers: of its classes, or an encoded
    prompt."""
    if not prompt_or_classes:
        return {}
    if "cross_attention_dim" not in network.config:
        return {"class_labels": prompt_or_classes[0]}
    text, *added = prompt_or_classes
    beside = {"added_cond_kwargs": dict(zip(ADDED, added, strict=True))} if added else {}
    return {"encoder_hidden_states": text} | beside
