r"""DPM-Solver, singlestep, for the noise estimate (Lu et al. 2022, arXiv 2206.00927, algorithms 1
to 5).

From timestep t to s, with :math:`h = \lambda_s - \lambda_t`, inner points at
:math:`\lambda_t + r h`, and :math:`\phi_1(h) = e^h - 1`, :math:`\phi_2(h) = \phi_1(h) / h - 1`:

.. math::

    x_u = \tfrac{\alpha_u}{\alpha_t} x_t - \sigma_u \phi_1(r h)\, \epsilon_t
        - c\, (\epsilon_v - \epsilon_t)

The last term, with an earlier inner estimate :math:`\epsilon_v`, raises the order. Each evaluation
of the network is one step of this sampler.

The orders follow the authors' "fast" plan, so a run makes exactly the stated number of calls. With
order 3 they are 3, 3, ..., and end with 2, 1, or with 1, or with 2. The outer timesteps end at
t_min, and the sample there is the image. As in the paper, there is no denoising step.
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
"""Order -> r of the inner points (the authors' defaults)."""


def fast_orders(calls: int, order: int = 3) -> list[int]:
    """Orders of the outer steps; their sum is ``calls``.

    Order 3 is DPM-Solver-fast (arXiv 2206.00927, section 3.4). A lower ``order`` has as many steps
    of it as fit, and the rest of order 1.
    """
    if order < 3:
        return [order] * (calls // order) + [1] * (calls % order)
    if calls % 3 == 0:
        return [3] * (calls // 3 - 1) + [2, 1]
    return [3] * (calls // 3) + [calls % 3]


@dataclass(frozen=True)
class _Stage:
    """One network call: its timestep, the start and end of its outer step, the next timestep, its
    index in the outer step, and the outer step's order."""

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
        order: the highest order of an outer step, 1 to 3.
        grid: "log-snr", the paper's for small images, has outer timesteps uniform in lambda.
            Another name of :data:`morse.schedules.grids.GRIDS`, such as "time-uniform" for large
            images, gives a grid of calls + 1 timesteps that ends at t_min. An outer step of order p
            spans p intervals of it.

    Raises:
        ValueError: for another order, a grid that ends elsewhere, or fewer than one call.
    """

    order: int = 3
    grid: str = "log-snr"

    def __post_init__(self) -> None:
        if self.calls < 1:
            raise ValueError(f"dpm-solver makes at least one call, not {self.calls}")
        if self.order not in INNER:
            raise ValueError(f"order of dpm-solver is 1, 2 or 3, not {self.order}")
        if self._outer[-1] != self.schedule.t_min:
            raise ValueError(
                f"dpm-solver ends at the first timestep, the grid {self.grid!r} at {self._outer[-1]:g}; "
                f"use log-snr or time-uniform"
            )

    @cached_property
    def _orders(self) -> list[int]:
        return fast_orders(self.calls, self.order)

    @cached_property
    def _outer(self) -> list[float]:
        """(outer steps + 1,) timesteps at which outer steps begin and end."""
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
        """``state`` is (x_t, eps_t) at the start of the current outer step."""
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
        else:  # order 3, both later calls: phi_2(reached) times share / r, with r of the latest estimate
            share = reached / h
            factor = sigma * share / r * (math.expm1(reached) / reached - 1.0)
        return base - factor * (eps - eps_t), (x_t, eps_t)
