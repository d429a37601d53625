"""Noise predictors: what a sampler asks at every call, be it Dash alone or Morse.

Baseline and Morse differ here and nowhere else: sampler, loop, seeds and measurement are shared. A predictor is called once
for each time of a run, in order; :meth:`begin` starts the next batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from morse.schedules.noise import NoiseSchedule

DashFunction = Callable[[Tensor, Tensor], Tensor]
"""(x (B, C, H, W), t (B,)) -> eps (B, C, H, W)."""
DotFunction = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]
"""(x_s, x_t, eps_s, s (B,), t (B,)) -> the residual (B, C, H, W)."""


@dataclass
class Calls:
    """Network calls since the last :meth:`Predictor.begin`: whole batches, so calls per image.

    Attributes:
        made: a letter each, in order: D for Dash, a point for Dot, as :attr:`morse.methods.plans.Plan.letters`.
    """

    made: str = ""

    @property
    def dash(self) -> int:
        """Calls of Dash."""
        return self.made.count("D")

    @property
    def dot(self) -> int:
        """Calls of Dot."""
        return self.made.count(".")


class Predictor(Protocol):
    """What the sampling loop needs."""

    calls: Calls

    def begin(self) -> None:
        """Starts a run: forgets the last estimate, sets the counts to zero."""

    def __call__(self, x: Tensor, t: float) -> Tensor:
        """The noise estimate of x (B, C, H, W) at time t."""

    def renew_noise(self, noise: Tensor, share: float, schedule: NoiseSchedule) -> None:
        """Told by the loop that the sampler has put fresh noise (B, C, H, W) into the sample: of the sample's noise, whose
        standard deviation is sigma_t, it is the part ``share`` (in the standard deviation)."""


def labels(x: Tensor, t: float) -> Tensor:
    """t for each image of the batch: (B,), in float32 as networks embed it."""
    return torch.full((len(x),), t, device=x.device, dtype=torch.float32)
