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

On timestep *grids* a chain is a stretch of a run, and its samples are those of real plans. A Dot
with memory learns from triples s' > s > t of them.

Several processes have the same draw. Each draws all its randomness, and computes the chains that
are its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from morse.dash.base import Dash
from morse.dash.conditioning import Condition, labels_for, picked
from morse.data.batches import draw_batch
from morse.dot.caption_prompts import CaptionPrompts
from morse.dot.chain_settings import ChainSettings
from morse.dot.chain_times import Answers, ChainTimes, draw_answers, draw_chain_times
from morse.schedules.levels import NoiseLevels


@dataclass(frozen=True)
class Pairs:
    """Training samples: (P, C, H, W) each, with timesteps (P,) and the condition.

    Attributes:
        beside: further channels of Dash's estimate at s, if Dot takes any.
        past: with memory, Dash's estimate before the last one, of all channels that Dot takes, and
            its timestep; else empty.
    """

    x_s: Tensor
    x_t: Tensor
    eps_s: Tensor
    eps_t: Tensor
    s: Tensor
    t: Tensor
    cond: Condition = ()
    beside: Tensor | None = None
    past: tuple[Tensor, ...] = ()

    def __getitem__(self, index: Tensor | slice) -> Pairs:
        """The pairs of an index tensor, in its order, or of a slice."""
        *parts, cond, beside, past = (getattr(self, f.name) for f in fields(self))
        cond, past = (tuple(part[index] for part in several) for several in (cond, past))
        return Pairs(*(part[index] for part in parts), cond, None if beside is None else beside[index], past)

    @property
    def of_dot(self) -> tuple[Tensor, ...]:
        """The arguments of a call of Dot."""
        taken = self.eps_s if self.beside is None else torch.cat([self.eps_s, self.beside], dim=1)
        return self.x_s, self.x_t, taken, self.s, self.t, *self.past, *self.cond


@dataclass(frozen=True)
class Chains:
    """Points of chains: (points, n, C, H, W), with the condition of each chain, and further
    channels of Dash's estimates, if Dot takes any.

    Pair p of chain c has the number p n + c. Pairs are put together when they are needed: all of
    them at once take points - 1 times the memory of the points.

    Attributes:
        times: of these chains.
        of_all: the times of all processes' chains.
    """

    x: Tensor
    eps: Tensor
    settings: ChainSettings
    times: ChainTimes
    of_all: ChainTimes
    cond: Condition = ()
    beside: Tensor | None = None

    def pairs(self, index: Tensor | None = None) -> Pairs:
        """The pairs of these numbers, (P,), in their order; None: all."""
        places, chain = self.times.places(self.settings, index)
        chain = chain.to(self.x.device)
        before, s, t = ((place, chain) for place in places.to(self.x.device).unbind(1))
        cond = tuple(part[chain] for part in self.cond)
        beside = None if self.beside is None else self.beside[s]
        past, times = (), self.times.t.to(self.x.device)
        if self.settings.memory:
            others = [] if self.beside is None else [self.beside[before]]
            past = torch.cat([self.eps[before], *others], dim=1), times[before]
        return Pairs(self.x[s], self.x[t], self.eps[s], self.eps[t], times[s], times[t], cond, beside, past)


class ChainSource:
    """Draws pairs from chains.

    Args:
        images: (n, C, H, W) uint8.
        labels: (n,) their classes; used if Dash takes classes.
        captions: n texts; used if Dash takes prompts.
        estimates: of Dash that Dot takes (:class:`morse.dot.network.Dot`).
        dot: a Dot that takes the steps of chains on policy; None: Dash takes all steps. It is used
            as it is when chains are drawn.
        rank, world: of this process. Chain c is process c mod world's.
        parts: in how many parts Dash is called on the chains of a draw; more parts take less
            memory, and change estimates by rounding only.

    Raises:
        ValueError: one line, for a class that Dash does not have, missing captions, or more
            processes than chains.
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
        captions: Sequence[str] | None = None,
        estimates: int = 1,
        dot: Callable[..., Tensor] | None = None,
    ):
        if world > settings.chains:
            raise ValueError(f"{settings.chains} chains are too few for {world} processes; give each one or more")
        self.dash, self.images, self.settings, self.device = dash, images, settings, device
        self.labels = labels_for(labels, dash.classes)
        self.prompts = CaptionPrompts(dash, captions, settings.guidance, device) if dash.guidance else None
        self.rank, self.world, self.parts, self.estimates = rank, world, parts, estimates
        self.dot = dot if settings.on_policy else None
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
        of_all = draw_chain_times(self.settings, self.dash.schedule, rng)
        noise = torch.randn((self.settings.chains, *x_0.shape[1:]), generator=rng)[own].to(self.device)
        times = of_all.t[:, own].to(self.device)
        if self.prompts is None:
            cond = picked(self.labels, index, self.device)
        else:
            cond = self.prompts.condition(index, torch.rand(self.settings.chains, generator=rng)[own])
        answers = None if self.dot is None else draw_answers(self.settings, of_all.starts, rng)
        points: list[tuple[Tensor, Tensor]] = []
        for part in torch.arange(len(index), device=self.device).tensor_split(min(self.parts, len(index))):
            of_part = None if answers is None else Answers(*(one[:, own][:, part.cpu()] for one in answers))
            of_points = x_0[part], noise[part], times[:, part], tuple(one[part] for one in cond), of_part
            points.append(self._points(*of_points))
        x, eps = points[0] if len(points) == 1 else (torch.cat(v, dim=1) for v in zip(*points, strict=True))
        what = self.settings, of_all.of(own), of_all
        if self.estimates == 1:
            return Chains(x, eps, *what, cond)
        noise, beside = eps.tensor_split([x.shape[2]], dim=2)
        return Chains(x, noise, *what, cond, beside)

    def _points(
        self, x_0: Tensor, noise: Tensor, times: Tensor, cond: Condition, answers: Answers | None
    ) -> tuple[Tensor, Tensor]:
        """(x, eps) of n chains: (points, n, C, H, W), and as many channels as Dot takes."""
        x = self._levels.noisy(x_0, noise, times[0])
        channels = x.shape[1]
        samples, estimates = [], []
        for index, t in enumerate(times):
            if index:
                taken = estimates[-1][:, :channels]
                if answers is not None:
                    taken = self._answered(torch.stack(samples), torch.stack(estimates), times, cond, answers)
                x = self._levels.ddim(x, taken, times[index - 1], t)
            samples.append(x)
            estimates.append(self.dash(x, t, *cond)[:, : self.estimates * channels])  # without a variance
        return torch.stack(samples), torch.stack(estimates)

    def _answered(self, x: Tensor, eps: Tensor, times: Tensor, cond: Condition, answers: Answers) -> Tensor:
        """The estimates (n, C, H, W) by which a run steps on from the latest of some points: Dash's
        or Dot's."""
        now, channels = len(x) - 1, x.shape[2]
        (index,) = answers.of_dot[now].nonzero(as_tuple=True)
        taken = eps[now, :, :channels]
        if not len(index):
            return taken
        s, before = ((places[now, index].to(x.device), index.to(x.device)) for places in answers[:2])
        index = index.to(x.device)
        past = (eps[before], times[before]) if self.settings.memory else ()
        of_dot = x[s], x[now, index], eps[s], times[s], times[now, index], *past, *(one[index] for one in cond)
        return taken.index_copy(0, index, eps[s][:, :channels] + self.dot(*of_dot))
