r"""Euler's method on the probability-flow ODE (Song et al. 2021, arXiv 2011.13456, equation 13), a fixed number of calls.

With the rate beta of :meth:`morse.schedules.noise.NoiseSchedule.rate`, from time t to s:

.. math:: x_s = x_t + \tfrac 1 2 \beta_t (t - s) \left( x_t - \epsilon / \sigma_t \right)

The authors solve it by an adaptive Runge-Kutta method of thousands of calls; budgets need a stated number. DDIM and DPM-Solver solve
the same equation, its linear part exactly, and are better for it: this is their reference.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from morse.samplers.base import GridSampler, Noise, State
from morse.schedules.grids import GRIDS
from morse.schedules.noise import CLEAN

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class ProbabilityFlow(GridSampler):
    """Euler's method on the probability-flow ODE.

    Args:
        grid: a name of :data:`morse.schedules.grids.GRIDS`.
        denoise: spend the last call on the clean estimate at the schedule's first label; without it, the run ends there.
    """

    grid: str = "time-uniform"
    denoise: bool = True

    @cached_property
    def _edges(self) -> tuple[float, ...]:
        """The times, and where the run ends if it ends at one."""
        return tuple(GRIDS[self.grid](self.schedule, self.calls if self.denoise else self.calls + 1))

    @cached_property
    def times(self) -> tuple[float, ...]:
        return self._edges[: self.calls]

    def ends(self, index: int) -> tuple[float, float]:
        return self.times[index], (*self._edges[1:], CLEAN)[index]

    def step(self, index: int, x: Tensor, eps: Tensor, state: State, noise: Noise) -> tuple[Tensor, State]:
        t, s = self.ends(index)
        sigma = self.schedule.sigma(t)
        if s == CLEAN:
            return (x - sigma * eps) / self.schedule.alpha(t), None
        half = 0.5 * self.schedule.rate(t) * (t - s)
        return (1.0 + half) * x - (half / sigma) * eps, None
