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

Several processes have the same draw. Each draws all its randomness, and computes the chains that
are its own.
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


@dataclass(frozen=True)
class Chains:
    """Points of chains: (points, n, C, H, W), with timesteps (points, n) and classes (n,), if any.

    Pair p of chain c has the number p n + c. Pairs are put together when they are needed: all of
    them at once take points - 1 times the memory of the points.
    """

    x: Tensor
    eps: Tensor
    t: Tensor
    cond: Tensor | None = None

    def pairs(self, index: Tensor | None = None) -> Pairs:
        """The pairs of these numbers, (P,), in their order; None: all."""
        points, n = self.t.shape
        i, j = torch.triu_indices(points, points, offset=1)
        index = torch.arange(n * len(i)) if index is None else index
        chain = (index % n).to(self.t.device)
        s, t = ((point[index // n].to(self.t.device), chain) for point in (i, j))
        cond = None if self.cond is None else self.cond[chain]
        return Pairs(self.x[s], self.x[t], self.eps[s], self.eps[t], self.t[s], self.t[t], cond)


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
        rank, world: of this process. Chain c is process c mod world's.
        parts: in how many parts Dash is called on the chains of a draw; more parts take less
            memory, and change estimates by rounding only.

    Raises:
        ValueError: one line, for a class that Dash does not have, or more processes than chains.
    """

    def __init__(
        self,
        dash: Dash,
        images: np.ndarray,
        settings: ChainSettings,
        device: torch.device | str = "cpu",
        labels: np.ndarray | None = None,
        rank: int = 0,
        world: int = 1,
        parts: int = 1,
    ):
        if world > settings.chains:
            raise ValueError(f"{settings.chains} chains are too few for {world} processes; give each one or more")
        self.dash, self.images, self.settings, self.device = dash, images, settings, device
        self.labels = labels_for(labels, dash.classes)
        self.rank, self.world, self.parts = rank, world, parts
        self._levels = NoiseLevels(dash.schedule).to(device)

    def draw(self, rng: torch.Generator) -> Pairs:
        """All pairs of this process's chains of a new draw."""
        return self.draw_chains(rng).pairs()

    @torch.no_grad()
    def draw_chains(self, rng: torch.Generator) -> Chains:
        """This process's chains of a new draw of ``settings.chains``.

        Dash computes in its own precision, also under autocast. In bfloat16 its error (1e-5 in the
        mean square, measured on the shipped twin) is as large as what Dot has to learn over 10
        timesteps.
        """
        with torch.autocast(torch.device(self.device).type, enabled=False):
            return self._draw(rng)

    def own(self, index: Tensor) -> Tensor:
        """Of numbers of pairs among all chains, those of this process's, as numbers among its
        own."""
        chains = self.settings.chains
        chain = index % chains
        mine = chain % self.world == self.rank
        count = len(range(self.rank, chains, self.world))
        return (index // chains * count + chain // self.world)[mine]

    def _draw(self, rng: torch.Generator) -> Chains:
        own = slice(self.rank, None, self.world)
        images, index = draw_batch(self.images, self.settings.chains, rng, self.settings.flip, own)
        x_0 = self.dash.encode(images.to(self.device))
        times = draw_chain_times(self.settings, self.dash.schedule, rng)
        noise = torch.randn((self.settings.chains, *x_0.shape[1:]), generator=rng)[own].to(self.device)
        times = times[:, own].to(self.device)
        cond = picked(self.labels, index, self.device)
        points: list[tuple[Tensor, Tensor]] = []
        for part in torch.arange(len(index), device=self.device).tensor_split(min(self.parts, len(index))):
            points.append(self._points(x_0[part], noise[part], times[:, part], None if cond is None else cond[part]))
        x, eps = points[0] if len(points) == 1 else (torch.cat(v, dim=1) for v in zip(*points, strict=True))
        return Chains(x, eps, times, cond)

    def _points(self, x_0: Tensor, noise: Tensor, times: Tensor, cond: Tensor | None) -> tuple[Tensor, Tensor]:
        """(x, eps), (points, n, C, H, W) each, of n chains."""
        x = self._levels.noisy(x_0, noise, times[0])
        points: list[tuple[Tensor, Tensor, Tensor]] = []
        for t in times:
            if points:
                x = self._levels.ddim(*points[-1], t)
            estimate = self.dash(x, t, *given(cond))[:, : x.shape[1]]  # of the noise, without a variance
            points.append((x, estimate, t))
        x, eps, _ = zip(*points, strict=True)
        return torch.stack(x), torch.stack(eps)
