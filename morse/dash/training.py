"""Training a Dash from random weights: DDPM's simple loss."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from morse.dash.conditioning import labels_for, picked
from morse.dash.loading import build_dash
from morse.data.batches import draw_batch
from morse.experiments.cards import Card
from morse.schedules.levels import NoiseLevels
from morse.schedules.noise import DiscreteSchedule, NoiseSchedule
from morse.training.loop import LossFunction
from morse.training.to_file import train_to_file

TRAINED_FROM = 1e-5
"""The fraction of continuous time below which the VP-SDE's authors do not train."""


def draw_times(schedule: NoiseSchedule, count: int, rng: torch.Generator) -> Tensor:
    """(count,) timesteps, drawn uniformly: whole for a discrete schedule, real in continuous
    time."""
    if isinstance(schedule, DiscreteSchedule):
        return torch.randint(schedule.num_train_timesteps, (count,), generator=rng)
    return schedule.t_max * (TRAINED_FROM + (1.0 - TRAINED_FROM) * torch.rand(count, generator=rng))


def dash_loss(
    network: Callable[..., tuple[Tensor]],
    schedule: NoiseSchedule,
    images: np.ndarray,
    batch_size: int,
    flip: bool,
    device: torch.device | str = "cpu",
    labels: np.ndarray | None = None,
    encode: Callable[[Tensor], Tensor] | None = None,
) -> LossFunction:
    """DDPM's simple loss, E |eps - theta(x_t, t)|^2 with t uniform (Ho et al. 2020, arXiv
    2006.11239, equation 14).

    In continuous time this is also the loss of the VP-SDE's authors, |sigma_t score + eps|^2 with
    the score -theta / sigma_t (Song et al. 2021, arXiv 2011.13456, equation 7 with
    lambda = sigma^2).

    Args:
        labels: (n,) classes of the images, for a network that takes classes.
        encode: of a latent model, images -> samples.
    """

    levels = NoiseLevels(schedule)

    def loss(step: int, rng: torch.Generator) -> Tensor:
        x_0, index = draw_batch(images, batch_size, rng, flip)
        x_0 = encode(x_0.to(device)).cpu() if encode else x_0
        t = draw_times(schedule, batch_size, rng)
        eps = torch.randn(x_0.shape, generator=rng)
        cond = {} if labels is None else {"class_labels": picked(labels, index, device)[0]}
        estimate = network(levels.noisy(x_0, eps, t).to(device), t.to(device), return_dict=False, **cond)[0]
        return functional.mse_loss(estimate.float(), eps.to(device))

    return loss


def train_dash(
    card: Card,
    images: np.ndarray,
    output: Path,
    device: torch.device | str = "cpu",
    labels: np.ndarray | None = None,
) -> dict[str, Any]:
    """Trains the card's Dash from random weights and writes it
    (:func:`morse.training.to_file.train_to_file`).

    Args:
        images: (n, C, H, W) uint8.
        labels: (n,) their classes; used if the network takes classes.
    """
    recipe = card["training"]

    def make() -> tuple[nn.Module, LossFunction]:
        dash = build_dash(card)
        network, classes = dash.network.to(device), labels_for(labels, dash.classes)
        how = recipe["batch_size"], recipe["flip"], device, classes, dash.encode if dash.autoencoder else None
        return network, dash_loss(network, dash.schedule, images, *how)

    return train_to_file(make, recipe, output, "Dash")
