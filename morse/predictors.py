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

from morse.budget import Plan

DashFunction = Callable[[Tensor, Tensor], Tensor]
"""(x (B, C, H, W), t (B,)) -> eps (B, C, H, W)."""
DotFunction = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]
"""(x_s, x_t, eps_s, s (B,), t (B,)) -> the residual (B, C, H, W)."""


@dataclass
class Calls:
    """Network calls counted since the last :meth:`Predictor.begin`: whole batches, so calls per image."""

    dash: int = 0
    dot: int = 0


class Predictor(Protocol):
    """What the sampling loop needs."""

    calls: Calls

    def begin(self) -> None:
        """Starts a run: forgets the last estimate, sets the counts to zero."""

    def __call__(self, x: Tensor, t: float) -> Tensor:
        """The noise estimate of x (B, C, H, W) at time t."""


def labels(x: Tensor, t: float) -> Tensor:
    """t for each image of the batch: (B,), in float32 as networks embed it."""
    return torch.full((len(x),), t, device=x.device, dtype=torch.float32)


class DashOnly:
    """The baseline: Dash at every call."""

    def __init__(self, dash: DashFunction):
        self.dash = dash
        self.calls = Calls()

    def begin(self) -> None:
        self.calls = Calls()

    def __call__(self, x: Tensor, t: float) -> Tensor:
        self.calls.dash += 1
        return self.dash(x, labels(x, t))


class Morse:
    r"""Dash where the plan says so, elsewhere Dash's last estimate plus Dot's residual.

    .. math:: z_t = \theta(x_t, t) \quad \text{or} \quad z_t = z_s + \eta(x_s, x_t, z_s, s, t)

    with s the latest time of Dash (arXiv 2506.18251, section 3.2).

    Raises:
        ValueError: when called more often than the plan has calls.
    """

    def __init__(self, dash: DashFunction, dot: DotFunction, plan: Plan):
        self.dash, self.dot, self.plan = dash, dot, plan
        self.begin()

    def begin(self) -> None:
        self.calls = Calls()
        self._last: tuple[Tensor, Tensor, Tensor] | None = None

    def __call__(self, x: Tensor, t: float) -> Tensor:
        index, now = self.calls.dash + self.calls.dot, labels(x, t)
        if index >= len(self.plan.dash):
            raise ValueError(f"the plan has {len(self.plan.dash)} calls, and the sampler made one more")
        if self._last is None or self.plan.dash[index]:
            self.calls.dash += 1
            eps = self.dash(x, now)
            self._last = x, eps, now
            return eps
        self.calls.dot += 1
        x_s, eps_s, s = self._last
        return eps_s + self.dot(x_s, x, eps_s, s, now)
