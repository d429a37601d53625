r"""DDIM (Song et al. 2021, arXiv 2010.02502), for any eta and any grid.

.. math::

    x_s = \alpha_s \hat x_0 + \sqrt{\sigma_s^2 - v^2}\, \epsilon + v z, \qquad
    \hat x_0 = (x_t - \sigma_t \epsilon) / \alpha_t

for the next timestep s < t, with :math:`v = \eta\, (\sigma_s / \sigma_t) \sqrt{1 - \alpha_t^2 /
\alpha_s^2}` (equations 12 and 16). With eta = 0 it is deterministic. With eta = 1 it is DDPM with
the smaller variance. The last step returns the clean estimate (s = CLEAN).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from morse.samplers.base import GridSampler, Noise, State
from morse.schedules.noise import CLEAN, NoiseSchedule

if TYPE_CHECKING:
    from torch import Tensor


def ddim_step(schedule: NoiseSchedule, x: Tensor, eps: Tensor, t: float, s: float, fresh: float = 0.0) -> Tensor:
    """x (B, C, H, W) from timestep t to s with the noise estimate eps, before fresh noise is added
    (equation 12). t and s are any two timesteps.

    Args:
        fresh: v, the standard deviation of the noise that will be added.
    """
    # Factors are collected per tensor: two in float64, one pass over x and one over eps.
    ratio = schedule.alpha(s) / schedule.alpha(t)
    kept = math.sqrt(max(0.0, schedule.sigma(s) ** 2 - fresh**2))
    return ratio * x + (kept - ratio * schedule.sigma(t)) * eps


@dataclass(frozen=True)
class DDIM(GridSampler):
    """DDIM, without clipping, as its authors run it.

    Args:
        grid: a name of :data:`morse.schedules.grids.GRIDS`.
        eta: from 0 (deterministic) to 1 (DDPM).

    Raises:
        ValueError: for an eta outside this range.
    """

    eta: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.eta <= 1.0:
            raise ValueError(f"eta of DDIM lies between 0 and 1, not {self.eta:g}")
        super().__post_init__()

    def step(self, index: int, x: Tensor, eps: Tensor, state: State, noise: Noise) -> tuple[Tensor, State]:
        t, s = self.interval(index)
        fresh = self.fresh_noise(index)
        x = ddim_step(self.schedule, x, eps, t, s, fresh)
        return (x + fresh * noise() if fresh else x), None

    def fresh_noise(self, index: int) -> float:
        t, s = self.interval(index)
        if s == CLEAN or not self.eta:
            return 0.0
        return self.eta * self.schedule.sigma(s) / self.schedule.sigma(t) * math.sqrt(self.schedule.beta(t, s))
