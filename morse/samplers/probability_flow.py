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
from typing import TYPE_CHECKING

from morse.samplers.base import GridSampler, Noise, State
from morse.schedules.noise import CLEAN

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class ProbabilityFlow(GridSampler):
    """Euler's method on the probability-flow ODE.

    Args:
        grid: a name of :data:`morse.schedules.grids.GRIDS`.
        end: with "data", the last call is at t_min, and gives the clean estimate. With
            "first-timestep", the run ends at t_min, with no call there.
    """

    grid: str = "time-uniform"

    def step(self, index: int, x: Tensor, eps: Tensor, state: State, noise: Noise) -> tuple[Tensor, State]:
        t, s = self.interval(index)
        if s == CLEAN:
            return self.schedule.clean_estimate(x, eps, t), None
        half = 0.5 * self.schedule.rate(t) * (t - s)
        return (1.0 + half) * x - (half / self.schedule.sigma(t)) * eps, None
