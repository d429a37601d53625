r"""The timesteps of chains, and how much an error at each counts.

On a grid a chain is a stretch of a run. There it is known what an error of the estimate at a call
does to the final image, to first order. In :math:`y = x / \alpha` and :math:`\rho = \sigma /
\alpha` a DDIM step is one of Euler, so the error changes y by :math:`\rho_t - \rho_u` times it,
with u the timestep of the next call. For Gaussian data of variance v the flow then shrinks y, so
that the image changes by

.. math:: (\rho_t - \rho_u) \sqrt{v / (v + \rho_u^2)}

times the error. Images vary most along few directions, and so do Dot's errors: v is the variance
along those. The rule sensitivity measures the same of whole runs. With v = 16 it is within a
factor of 2 of what was measured on the discrete twin at 12 LSD, for all calls. With the variance of
a pixel, 0.25, it is 5 to 10 times too small above t = 600.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from morse.dot.chain_settings import ChainSettings
from morse.schedules.grids import GRIDS
from morse.schedules.noise import CLEAN, NoiseSchedule

VARIANCE = 16.0
"""v, along the directions in which images in [-1, 1] vary most."""


@dataclass(frozen=True)
class ChainTimes:
    """The times of n chains.

    Attributes:
        t: (points, n) timesteps, falling along each chain.
        starts: (n,) whether a chain is the start of a run.
        effects: (points, n), how much an error of the estimate there changes the final image, times
            the square of the run's calls. So it is alike for runs of few calls and of many: steps
            and errors are both smaller there by their number. 1 without grids.
    """

    t: Tensor
    starts: Tensor
    effects: Tensor

    def of(self, chains: slice) -> ChainTimes:
        """Those of some chains."""
        return ChainTimes(self.t[:, chains], self.starts[chains], self.effects[:, chains])

    def places(self, settings: ChainSettings, index: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The points (P, 3) of samples, as in :meth:`ChainSettings.triples`, and their chain (P,).

        Args:
            index: (P,) numbers of samples. Sample p of chain c has the number p n + c. None: all.
        """
        triples = torch.tensor([settings.triples(at_start) for at_start in (False, True)])
        n = self.t.shape[1]
        index = torch.arange(n * triples.shape[1]) if index is None else index
        return triples[self.starts[index % n].long(), index // n], index % n


class Answers(NamedTuple):
    """Who answers at the points of n chains, if their steps are those of a run of Morse.

    Attributes:
        last, before: (points, n), the points of Dash's last call and of the one before. At a call
            of Dash ``last`` is the point itself, and where there is none before they are equal.
        of_dot: (points, n), whether Dot answers.
    """

    last: Tensor
    before: Tensor
    of_dot: Tensor


def draw_answers(settings: ChainSettings, starts: Tensor, rng: torch.Generator) -> Answers:
    """Dash answers at the first point, and then again after 2 to reach + 1 steps, each as likely.

    Of a chain that does not start a run, a Dot with memory does not know what was before. So Dash
    answers there until its second call.
    """
    gaps = torch.randint(2, settings.reach + 2, (settings.points, settings.chains), generator=rng)
    calls = torch.cat([torch.zeros_like(gaps[:1]), gaps.cumsum(0)])  # points of Dash's calls
    last, before = torch.zeros_like(gaps), torch.zeros_like(gaps)
    for point in range(settings.points):
        number = (calls <= point).sum(0) - 1
        last[point] = calls.gather(0, number[None])[0]
        before[point] = calls.gather(0, (number - 1).clamp(min=0)[None])[0]
    points = torch.arange(settings.points)[:, None]
    known = (last > before) | starts | (settings.memory == 0)
    return Answers(last, before, (last != points) & known)


def effect(schedule: NoiseSchedule, t: float, following: float) -> float:
    """How much an error of the estimate at timestep t changes the final image, if the next call is
    at ``following``. The module has the formula."""
    here, there = (schedule.sigma(time) / schedule.alpha(time) for time in (t, following))
    return (here - there) * math.sqrt(VARIANCE / (VARIANCE + there**2))


def draw_chain_times(settings: ChainSettings, schedule: NoiseSchedule, rng: torch.Generator) -> ChainTimes:
    """The times of ``settings.chains`` chains: timesteps real-valued between t_min and t_max.

    Without grids a chain's first timestep is uniform. The others are uniform in the span below it,
    which ends at t_min at the latest. A stretch of a grid is as likely to have each of its calls:
    where it would begin before the run, or end after it, it is moved to the start or the end.
    """
    if settings.grids:
        return _stretches(settings, schedule, rng)
    room = torch.rand(settings.chains, generator=rng) * (schedule.t_max - schedule.t_min)
    first = schedule.t_min + room
    low, high = math.log(settings.min_calls), math.log(settings.max_calls)
    span = (schedule.t_max + 1.0) * torch.exp(-(low + (high - low) * torch.rand(settings.chains, generator=rng)))
    later = torch.rand((settings.points - 1, settings.chains), generator=rng).sort(dim=0).values
    times = torch.cat([first[None], first - later * torch.minimum(span, room)])
    return ChainTimes(times, torch.zeros(settings.chains, dtype=torch.bool), torch.ones_like(times))


def _stretches(settings: ChainSettings, schedule: NoiseSchedule, rng: torch.Generator) -> ChainTimes:
    """:func:`draw_chain_times` on grids."""
    low, high = math.log(settings.min_calls), math.log(settings.max_calls)
    times, starts, effects = [], [], []
    for of_grid, of_calls, of_place in torch.rand((settings.chains, 3), generator=rng).tolist():
        calls = math.floor(math.exp(low + (high - low) * of_calls) + 0.5)
        grid = GRIDS[settings.grids[math.floor(of_grid * len(settings.grids))]](schedule, calls)
        place = math.floor(of_place * (calls + settings.points - 1)) - (settings.points - 1)
        place = min(max(place, 0), calls - settings.points)
        stretch = [*grid, CLEAN][place : place + settings.points + 1]
        times.append(stretch[:-1])
        starts.append(place == 0)
        effects.append([calls**2 * effect(schedule, *step) for step in pairwise(stretch)])
    return ChainTimes(torch.tensor(times).T.contiguous(), torch.tensor(starts), torch.tensor(effects).T.contiguous())
