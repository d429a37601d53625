r"""DDIM (Song et al. 2021, arXiv 2010.02502), deterministic.

.. math:: x_s = \alpha_s \hat x_0 + \sigma_s \epsilon, \qquad \hat x_0 = (x_t - \sigma_t \epsilon) / \alpha_t

for the next time s < t; the last step returns the estimate of the clean image (s = CLEAN).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from morse.samplers import Noise, Sampler, State
from morse.schedules import CLEAN, NoiseSchedule, uniform_times


def ddim_step(schedule: NoiseSchedule, x: Tensor, eps: Tensor, t: float, s: float) -> Tensor:
    """x (B, C, H, W) at time t to time s with the noise estimate eps; any two times (arXiv 2010.02502, equation 12, eta 0)."""
    # Collected per tensor: two factors in float64, one pass over x and one over eps.
    ratio = schedule.alpha(s) / schedule.alpha(t)
    return ratio * x + (schedule.sigma(s) - ratio * schedule.sigma(t)) * eps


@dataclass(frozen=True)
class DDIM(Sampler):
    """DDIM with eta = 0 on the uniform grid, without clipping, as its authors run it."""

    def __post_init__(self) -> None:
        uniform_times(self.schedule, self.calls)  # raises for a number of calls that the grid cannot have

    @cached_property
    def times(self) -> tuple[float, ...]:
        return tuple(uniform_times(self.schedule, self.calls))

    def step(self, index: int, x: Tensor, eps: Tensor, state: State, noise: Noise) -> tuple[Tensor, State]:
        following = (*self.times[1:], CLEAN)
        return ddim_step(self.schedule, x, eps, self.times[index], following[index]), None
