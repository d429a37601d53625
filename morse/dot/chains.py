r"""Training samples of Dot: Algorithm 1 of Morse (arXiv 2506.18251), generalised from pairs to
chains.

Algorithm 1 draws a noisy image x_s and asks Dash for eps_s. It takes one DDIM step to t < s and
asks Dash again. Dot learns

.. math::

    \epsilon_s + \eta(x_s, x_t, \epsilon_s, s, t) \approx \epsilon_t, \qquad
    \epsilon_t = \theta(x_t, t).

A *chain* continues from there, s = t_0 > t_1 > ... > t_{c-1}, each time with a DDIM step by Dash's
estimate. Every pair of its points is a sample. So c calls of Dash give c (c - 1) / 2 samples
instead of c / 2, and late points are reached by many small steps, as in sampling. The pairs of some
chains are dealt out over several optimiser steps, each pair once. Two points and one optimiser step
are the paper's algorithm.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from morse.dash.base import Dash
from morse.dash.conditioning import given, labels_for, picked
from morse.data.batches import draw_batch
from morse.dot.chain_settings import ChainSettings
from morse.schedules.levels import NoiseLevels
from morse.schedules.noise import NoiseSchedule


@dataclass(frozen=True)
class Pairs:
    """Training samples: (P, C, H, W) each, with timesteps (P,) and, for a network that takes any,
    classes (P,)."""

    x_s: Tensor
    x_t: Tensor
    eps_s: Tensor
    eps_t: Tensor
    s: Tensor
    t: Tensor
    cond: Tensor | None = None

    def __getitem__(self, index: Tensor | slice) -> Pairs:
        """The pairs of an index tensor, in its order, or of a slice."""
        parts = (getattr(self, f.name) for f in fields(self))
        return Pairs(*(None if part is None else part[index] for part in parts))

    @property
    def of_dot(self) -> tuple[Tensor, ...]:
        """The arguments of a call of Dot."""
        return (self.x_s, self.x_t, self.eps_s, self.s, self.t, *given(self.cond))


def draw_chain_times(settings: ChainSettings, schedule: NoiseSchedule, rng: torch.Generator) -> Tensor:
    """(points, chains) timesteps, real-valued between t_min and t_max, decreasing along each chain.

    A chain's first timestep is uniform. The others are uniform in the span below it, which ends at
    t_min at the latest.
    """
    room = torch.rand(settings.chains, generator=rng) * (schedule.t_max - schedule.t_min)
    first = schedule.t_min + room
    low, high = math.log(settings.min_calls), math.log(settings.max_calls)
    span = (schedule.t_max + 1.0) * torch.exp(-(low + (high - low) * torch.rand(settings.chains, generator=rng)))
    later = torch.rand((settings.points - 1, settings.chains), generator=rng).sort(dim=0).values
    return torch.cat([first[None], first - later * torch.minimum(span, room)])


class ChainSource:
    """Draws pairs from chains.

    Args:
        images: (n, C, H, W) uint8.
        labels: (n,) their classes; used if Dash takes classes.

    Raises:
        ValueError: one line, for a class that Dash does not have.
    """

    def __init__(
        self,
        dash: Dash,
        images: np.ndarray,
        settings: ChainSettings,
        device: torch.device | str = "cpu",
        labels: np.ndarray | None = None,
    ):
        self.dash, self.images, self.settings, self.device = dash, images, settings, device
        self.labels = labels_for(labels, dash.classes)
        self._levels = NoiseLevels(dash.schedule).to(device)

    @torch.no_grad()
    def draw(self, rng: torch.Generator) -> Pairs:
        """All pairs of ``settings.chains`` new chains.

        Dash computes in its own precision, also under autocast. In bfloat16 its error (1e-5 in the
        mean square, measured on the shipped twin) is as large as what Dot has to learn over 10
        timesteps.
        """
        with torch.autocast(torch.device(self.device).type, enabled=False):
            return self._draw(rng)

    def _draw(self, rng: torch.Generator) -> Pairs:
        x_0, index = draw_batch(self.images, self.settings.chains, rng, self.settings.flip)
        times = draw_chain_times(self.settings, self.dash.schedule, rng)
        noise = torch.randn(x_0.shape, generator=rng).to(self.device)
        x = self._levels.noisy(x_0.to(self.device), noise, times[0].to(self.device))
        cond = picked(self.labels, index, self.device)
        points: list[tuple[Tensor, Tensor, Tensor]] = []
        for t in times.to(self.device):
            if points:
                x = self._levels.ddim(*points[-1], t)
            estimate = self.dash(x, t, *given(cond))[:, : x.shape[1]]  # of the noise, without a variance
            points.append((x, estimate, t))
        x, eps, t = (torch.stack(values) for values in zip(*points, strict=True))
        i, j = torch.triu_indices(len(points), len(points), offset=1)
        pairs = (v.flatten(0, 1) for v in (x[i], x[j], eps[i], eps[j], t[i], t[j]))
        return Pairs(*pairs, cond=None if cond is None else cond.repeat(len(i)))
