"""What is learnt: the losses of Dash and of the feature extractor, each a function of a step's generator.

Dot's objective is larger and stands in :mod:`morse.dot.chains`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from morse.schedules.noise import DiscreteSchedule, NoiseSchedule
from morse.training.loop import LossFunction


def to_network(images: np.ndarray) -> Tensor:
    """uint8 (B, C, H, W) -> float32 in [-1, 1]: 0 becomes -1, 255 becomes 1."""
    return torch.from_numpy(images).float() / 127.5 - 1.0


def draw_batch(images: np.ndarray, batch_size: int, rng: torch.Generator, flip: bool) -> tuple[Tensor, Tensor]:
    """(x_0, indices): a batch drawn with replacement, each image mirrored with probability 1/2 where ``flip``."""
    index = torch.randint(len(images), (batch_size,), generator=rng)
    x = to_network(images[index.numpy()])
    if flip:
        mirrored = torch.rand(batch_size, generator=rng) < 0.5
        x = torch.where(mirrored[:, None, None, None], x.flip(-1), x)
    return x, index


TRAINED_FROM = 1e-5
"""The part of continuous time below which the VP-SDE's authors do not train."""


def draw_times(schedule: NoiseSchedule, count: int, rng: torch.Generator) -> Tensor:
    """(count,) labels, uniform: whole ones of a discrete schedule, real ones in continuous time."""
    if isinstance(schedule, DiscreteSchedule):
        return torch.randint(schedule.num_train_timesteps, (count,), generator=rng)
    return schedule.last * (TRAINED_FROM + (1.0 - TRAINED_FROM) * torch.rand(count, generator=rng))


def dash_loss(
    network: Callable[..., tuple[Tensor]],
    schedule: NoiseSchedule,
    images: np.ndarray,
    batch_size: int,
    flip: bool,
    device: torch.device | str = "cpu",
) -> LossFunction:
    """DDPM's simple loss, E |eps - theta(x_t, t)|^2 with t uniform (Ho et al. 2020, arXiv 2006.11239, equation 14).

    In continuous time it is the authors' loss of the VP-SDE too, |sigma_t score + eps|^2 with the score -theta / sigma_t
    (Song et al. 2021, arXiv 2011.13456, equation 7 with lambda = sigma^2).
    """

    def loss(step: int, rng: torch.Generator) -> Tensor:
        x_0, _ = draw_batch(images, batch_size, rng, flip)
        t = draw_times(schedule, batch_size, rng)
        eps = torch.randn(x_0.shape, generator=rng)
        alpha, sigma = (torch.tensor([level(v) for v in t.tolist()])[:, None, None, None] for level in (schedule.alpha, schedule.sigma))
        x_t = alpha * x_0 + sigma * eps
        estimate = network(x_t.to(device), t.to(device), return_dict=False)[0]
        return functional.mse_loss(estimate.float(), eps.to(device))

    return loss


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
