r"""DPM-Solver, singlestep (Lu et al. 2022, arXiv 2206.00927, algorithms 1 to 5), for the noise prediction.

From time t to s, with :math:`h = \lambda_s - \lambda_t`, inner points at :math:`\lambda_t + r h`, and
:math:`\phi_1(h) = e^h - 1`, :math:`\phi_2(h) = \phi_1(h) / h - 1`:

.. math::

    x_u = \tfrac{\alpha_u}{\alpha_t} x_t - \sigma_u \phi_1(r h)\, \epsilon_t - c\, (\epsilon_v - \epsilon_t)

where the last term, with an earlier inner estimate :math:`\epsilon_v`, raises the order. Each evaluation of the network is a
step of ours. With order 3 the orders follow the authors' "fast" plan, so that a run makes exactly the stated number of calls:
3, 3, ..., and at the end 2, 1 or 1 or 2. Outer times end at the first label, where the sample is taken as the image; there is no
denoising step, as in the paper.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from morse.samplers.base import Noise, Sampler, State
from morse.schedules.grids import GRIDS, log_snr

if TYPE_CHECKING:
    from torch import Tensor

INNER = {1: (), 2: (0.5,), 3: (1 / 3, 2 / 3)}
"""Order -> the inner points' r (the authors' defaults)."""


def fast_orders(calls: int, order: int = 3) -> list[int]:
    """Orders of the outer steps, whose sum is ``calls``: DPM-Solver-fast's (arXiv 2206.00927, section 3.4), or with a lower ``order``
    as many of it as fit, and the rest of order 1."""
    if order < 3:
        return [order] * (calls // order) + [1] * (calls % order)
    if calls % 3 == 0:
        return [3] * (calls // 3 - 1) + [2, 1]
    return [3] * (calls // 3) + [calls % 3]


@dataclass(frozen=True)
class _Stage:
    """One network call: its time, where the outer step began and ends, the next time, and which call of its outer step it is."""

    time: float
    start: float
    end: float
    following: float
    inner: int
    order: int


@dataclass(frozen=True)
class DPMSolver(Sampler):
    """DPM-Solver-fast.

    Args:
        order: the highest of an outer step, 1 to 3.
        grid: "log-snr" (of the paper for small images): outer times uniform in lambda. With another name of
            :data:`morse.schedules.grids.GRIDS`, such as "time-uniform" (for large images), a grid of calls + 1 times that ends at the first label,
            of which the outer times are those at which an outer step begins.

    Raises:
        ValueError: for another order, a grid that ends elsewhere, or no calls.
    """

    order: int = 3
    grid: str = "log-snr"

    def __post_init__(self) -> None:
        if self.calls < 1:
            raise ValueError(f"dpm-solver makes at least one call, not {self.calls}")
        if self.order not in INNER:
            raise ValueError(f"order of dpm-solver is 1, 2 or 3, not {self.order}")
        if self._outer[-1] != self.schedule.first:
            raise ValueError(
                f"dpm-solver ends at the first label, the grid {self.grid!r} at {self._outer[-1]:g}; use log-snr or time-uniform"
            )

    @cached_property
    def _orders(self) -> list[int]:
        return fast_orders(self.calls, self.order)

    @cached_property
    def _outer(self) -> list[float]:
        """(outer steps + 1,) times between which the outer steps go."""
        if self.grid == "log-snr":
            return log_snr(self.schedule, len(self._orders) + 1)
        times = GRIDS[self.grid](self.schedule, self.calls + 1)
        return [times[made] for made in np.cumsum([0, *self._orders])]

    @cached_property
    def _stages(self) -> Sequence[_Stage]:
        schedule, stages = self.schedule, []
        for order, start, end in zip(self._orders, self._outer, self._outer[1:], strict=False):
            low, high = schedule.log_snr(start), schedule.log_snr(end)
            inside = [schedule.time_of_log_snr(low + r * (high - low)) for r in INNER[order]]
            asked = [start, *inside, end]
            stages += [_Stage(asked[j], start, end, asked[j + 1], j, order) for j in range(order)]
        return stages

    @cached_property
    def times(self) -> tuple[float, ...]:
        return tuple(stage.time for stage in self._stages)

    def step(self, index: int, x: Tensor, eps: Tensor, state: State, noise: Noise) -> tuple[Tensor, State]:
        """``state`` is (x_t, eps_t) at the start of the outer step under way."""
        stage, schedule = self._stages[index], self.schedule
        x_t, eps_t = (x, eps) if stage.inner == 0 else state
        h = schedule.log_snr(stage.end) - schedule.log_snr(stage.start)
        reached = schedule.log_snr(stage.following) - schedule.log_snr(stage.start)  # r h, or h at the end
        scale, sigma = schedule.alpha(stage.following) / schedule.alpha(stage.start), schedule.sigma(stage.following)
        base = scale * x_t - (sigma * math.expm1(reached)) * eps_t
        if stage.inner == 0:
            return base, (x_t, eps_t)
        r = INNER[stage.order][stage.inner - 1]
        if stage.order == 2:
            factor = sigma / (2.0 * r) * math.expm1(h)
        else:  # both corrected stages of order 3: phi_2 of what is reached, over the r of the latest estimate
            share = reached / h
            factor = sigma * share / r * (math.expm1(reached) / reached - 1.0)
        return base - factor * (eps - eps_t), (x_t, eps_t)
