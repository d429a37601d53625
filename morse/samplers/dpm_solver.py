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
order 3 they are 3, 3, ..., and end with 2, 1, or with 1, or with 2. As in the paper, the run ends
at t_min, with no denoising step. With ``end="data"``, the last call is such a step, at t_min.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from morse.samplers.base import GridSampler, Noise, State
from morse.schedules.grids import GRIDS
from morse.schedules.noise import CLEAN

if TYPE_CHECKING:
    from torch import Tensor

ORDERS = (1, 2, 3)
LOG_SNR_GRIDS = ("log-snr", "log-snr-cut")
"""The paper's grids for small images. On them outer timesteps are uniform in lambda, whatever the
orders of their steps."""


def fast_orders(calls: int, order: int = 3) -> list[int]:
    """Orders of the outer steps; their sum is ``calls``.

    Order 3 is DPM-Solver-fast (arXiv 2206.00927, section 3.4). A lower ``order`` has as many steps
    of it as fit, and the rest of order 1.
    """
    if order < 3:
        return [order] * (calls // order) + [1] * (calls % order)
    if calls and calls % 3 == 0:
        return [3] * (calls // 3 - 1) + [2, 1]
    return [3] * (calls // 3) + [calls % 3] * (calls % 3 > 0)


@dataclass(frozen=True)
class DPMSolver(GridSampler):
    """DPM-Solver-fast.

    Inner points are spaced as the grid is, as the authors have them. So on "log-snr" r is 1/2, or
    1/3 and 2/3. On "time-uniform" the inner points divide the time of their outer step evenly, and
    r follows from their log-SNR.

    Args:
        order: the highest order of an outer step, 1 to 3.
        grid: "log-snr", the paper's for small images, has outer timesteps uniform in lambda.
            Another name of :data:`morse.schedules.grids.GRIDS`, such as "time-uniform" for large
            images, gives all points. An outer step of order p spans p intervals of the grid.
        end: as for :class:`morse.samplers.base.GridSampler`, here "first-timestep" by default.

    Raises:
        ValueError: for another order, a grid that ends elsewhere, or fewer than one call.
    """

    order: int = 3
    grid: str = "log-snr"
    end: str = field(default="first-timestep", kw_only=True)

    def __post_init__(self) -> None:
        if self.calls < 1:
            raise ValueError(f"dpm-solver makes at least one call, not {self.calls}")
        if self.order not in ORDERS:
            raise ValueError(f"order of dpm-solver is 1, 2 or 3, not {self.order}")
        super().__post_init__()

    @cached_property
    def orders(self) -> list[int]:
        """Orders of the outer steps; their sum is the number of calls. A step to the data is one of
        order 1."""
        last = [1] if self.end == "data" else []
        return fast_orders(self.calls - len(last), self.order) + last

    @cached_property
    def _outer_steps(self) -> list[tuple[int, int]]:
        """(index of the first call, order) of the outer step of each call."""
        steps: list[tuple[int, int]] = []
        for order in self.orders:
            steps += [(len(steps), order)] * order
        return steps

    def _grid_points(self) -> list[float]:
        if self.grid not in LOG_SNR_GRIDS or self.end == "abar_0":
            return super()._grid_points()
        orders = self.orders[:-1] if self.end == "data" else self.orders
        outer = GRIDS[self.grid](self.schedule, len(orders) + 1)
        points = []
        for order, start, stop in zip(orders, outer, outer[1:], strict=False):
            low, high = self.schedule.log_snr(start), self.schedule.log_snr(stop)
            inside = [self.schedule.time_of_log_snr(low + j / order * (high - low)) for j in range(1, order)]
            points += [start, *inside]
        return [*points, outer[len(orders)], *([CLEAN] if self.end == "data" else [])]

    def step(self, index: int, x: Tensor, eps: Tensor, state: State, noise: Noise) -> tuple[Tensor, State]:
        """``state`` is (x_t, eps_t) at the start of the current outer step."""
        schedule, (first, order) = self.schedule, self._outer_steps[index]
        t, u, end = self.points[first], self.points[index + 1], self.points[first + order]
        if u == CLEAN:
            return schedule.clean_estimate(x, eps, t), None
        x_t, eps_t = (x, eps) if index == first else state
        h = schedule.log_snr(end) - schedule.log_snr(t)
        reached = schedule.log_snr(u) - schedule.log_snr(t)  # r h, or h at the end
        scale, sigma = schedule.alpha(u) / schedule.alpha(t), schedule.sigma(u)
        base = scale * x_t - (sigma * math.expm1(reached)) * eps_t
        if index == first:
            return base, (x_t, eps_t)
        r = (schedule.log_snr(self.points[index]) - schedule.log_snr(t)) / h  # of the latest estimate
        if order == 2:
            factor = sigma / (2.0 * r) * math.expm1(h)
        else:  # order 3, both later calls: phi_2(reached) times share / r
            factor = sigma * (reached / h) / r * (math.expm1(reached) / reached - 1.0)
        return base - factor * (eps - eps_t), (x_t, eps_t)
