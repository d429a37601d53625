"""What is learnt: the losses of Dash and of the feature extractor, each a function of a step's generator.

Dot's objective is larger and stands in :mod:`morse.dot.chains`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from morse.checkpoints import write_state
from morse.dash.loading import Card, build_dash
from morse.data.batches import draw_batch
from morse.files import sha256
from morse.schedules.noise import DiscreteSchedule, NoiseSchedule
from morse.training.loop import LossFunction, TrainSettings, train

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


def train_dash(card: Card, images: np.ndarray, output: Path, device: torch.device | str = "cpu") -> dict[str, Any]:
    """Trains the card's Dash from random weights and writes it; a killed training goes on at its last resume point.

    Returns:
        What :func:`morse.training.loop.train` does, with the settings.
    """
    recipe = card["training"]
    settings = TrainSettings(**recipe["train"])
    torch.manual_seed(settings.seed)
    dash = build_dash(card)
    network = dash.network.to(device)
    loss = dash_loss(network, dash.schedule, images, recipe["batch_size"], recipe["flip"], device)
    made = train(network, loss, settings, output.with_suffix(".resume"), "Dash", made_of={"recipe": dict(recipe)})
    write_state(network.state_dict(), output)
    return made | {"sha256": sha256(output), "recipe": dict(recipe)}
