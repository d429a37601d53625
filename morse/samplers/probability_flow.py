r"""Euler's method on the probability-flow ODE (Song et al. 2021, arXiv 2011.13456, equation 13),
with a fixed NFE.

From timestep t to s, with the rate beta of :meth:`morse.schedules.noise.NoiseSchedule.rate`:

.. math:: x_s = x_t + \tfrac 1 2 \beta_t (t - s) \left( x_t - \epsilon / \sigma_t \right)

The authors use an adaptive Runge-Kutta method, with an NFE that is not known beforehand. A budget
needs a stated one. DDIM and DPM-Solver solve the same ODE with its linear part exact, and are more
accurate. This sampler is the reference for them.
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
        denoise: use the last call, at t_min, for the clean estimate. Without it, the run ends at
            t_min, with no call there.
    """

    grid: str = "time-uniform"
    denoise: bool = True

    @cached_property
    def _edges(self) -> tuple[float, ...]:
        """The timesteps of the calls, and without ``denoise`` the one where the run ends."""
        return tuple(GRIDS[self.grid](self.schedule, self.calls if self.denoise else self.calls + 1))

    @cached_property
    def times(self) -> tuple[float, ...]:
        return self._edges[: self.calls]

    def interval(self, index: int) -> tuple[float, float]:
        return self.times[index], (*self._edges[1:], CLEAN)[index]

    def step(self, index: int, x: Tensor, eps: Tensor, state: State, noise: Noise) -> tuple[Tensor, State]:
        t, s = self.interval(index)
        if s == CLEAN:
            return self.schedule.clean_estimate(x, eps, t), None
        half = 0.5 * self.schedule.rate(t) * (t - s)
        return (1.0 + half) * x - (half / self.schedule.sigma(t)) * eps, None
