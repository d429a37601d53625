"""Noise predictors: what a sampler calls at each timestep.

Methods differ only here: sampler, loop, seeds and measurement are shared. A predictor is called
once for each timestep of a run, in order. :meth:`Predictor.begin` starts the next batch. A plain
function serves as well (:func:`morse.methods.baseline.as_predictor`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from morse.schedules.noise import NoiseSchedule

DashFunction = Callable[..., Tensor]
"""(x (B, C, H, W), t (B,)) -> eps (B, C, H, W). A network with classes takes them as a third
argument."""
EstimateFunction = Callable[[Tensor, float], Tensor]
"""(x (B, C, H, W), t) -> eps (B, C, H, W): a plain noise estimate; t is a number."""
DotFunction = Callable[..., Tensor]
"""(x_s, x_t, eps_s, s (B,), t (B,)) -> the residual (B, C, H, W). The classes are a sixth
argument."""


class Predictor(Protocol):
    """What the sampling loop needs.

    Attributes:
        letters: one letter for each call since the last :meth:`begin`, as in
            :class:`morse.methods.plans.Plan`. A call is for a whole batch, so this counts calls per
            image (NFE).
    """

    letters: str

    def begin(self) -> None:
        """Starts a run: forgets earlier estimates and calls."""

    def __call__(self, x: Tensor, t: float, *cond: Tensor) -> Tensor:
        """The noise estimate of x (B, C, H, W) at timestep t. ``cond`` goes to the networks
        unchanged."""

    def renew_noise(self, noise: Tensor, share: float, schedule: NoiseSchedule) -> None:
        """Called by the loop after the sampler has added fresh noise (B, C, H, W) to the sample.

        Args:
            share: the standard deviation of the fresh noise, as a fraction of sigma_t, that of all
                noise in the sample.
        """


def renewed(eps: Tensor, noise: Tensor, share: float) -> Tensor:
    """A remembered noise estimate after fresh noise n was added: sqrt(1 - c^2) eps + c n.

    Args:
        share: c. Above 1 it counts as 1: DDPM's larger variance is so near the data, and
            Euler-Maruyama's first steps are.
    """
    share = min(share, 1.0)
    return math.sqrt(1.0 - share**2) * eps + share * noise


def timesteps(x: Tensor, t: float) -> Tensor:
    """t for each image of the batch: (B,). In float32, which the networks embed; for samples in
    float64 in float64."""
    dtype = torch.float64 if x.dtype == torch.float64 else torch.float32
    return torch.full((len(x),), t, device=x.device, dtype=dtype)
