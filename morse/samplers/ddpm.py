r"""DDPM's ancestral sampling on a sub-sequence of the steps (Ho et al. 2020, arXiv 2006.11239, algorithm 2).

With :math:`\bar\alpha` at the time t of the call and at the next time s < t, :math:`\beta = 1 - \bar\alpha_t / \bar\alpha_s`:

.. math::

    x_s = \frac{\sqrt{\bar\alpha_s}\,\beta}{1 - \bar\alpha_t} \hat x_0
        + \frac{\sqrt{1 - \beta}\,(1 - \bar\alpha_s)}{1 - \bar\alpha_t} x_t + \sqrt{v}\, z

with :math:`v = \beta (1 - \bar\alpha_s) / (1 - \bar\alpha_t)` ("fixed_small", DDIM's eta = 1) or :math:`v = \beta`
("fixed_large"). No noise is added in the last step.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from morse.samplers import GridSampler, Noise, State
from morse.schedules import CLEAN


@dataclass(frozen=True)
class DDPM(GridSampler):
    """DDPM.

    Args:
        grid: a name of :data:`morse.grids.GRIDS`.
        variance: "fixed_small" or "fixed_large".
        clip: clamp the estimate of the clean image to [-1, 1], as Ho et al. do.
    """

    variance: str = "fixed_small"
    clip: bool = True

    def __post_init__(self) -> None:
        if self.variance not in ("fixed_small", "fixed_large"):
            raise ValueError(f"variance of DDPM is fixed_small or fixed_large, not {self.variance!r}")
        super().__post_init__()

    def step(self, index: int, x: Tensor, eps: Tensor, state: State, noise: Noise) -> tuple[Tensor, State]:
        t, s = self.ends(index)
        alpha, sigma = self.schedule.alpha(t), self.schedule.sigma(t)
        x_0 = (x - sigma * eps) / alpha
        if self.clip:
            x_0 = x_0.clamp(-1.0, 1.0)
        if s == CLEAN:
            return x_0, None
        beta = self.schedule.beta(t, s)
        before, now = self.schedule.sigma(s) ** 2, sigma**2
        mean = (self.schedule.alpha(s) * beta / now) * x_0 + (math.sqrt(1.0 - beta) * before / now) * x
        return mean + self.fresh_noise(index) * noise(), None

    def fresh_noise(self, index: int) -> float:
        t, s = self.ends(index)
        if s == CLEAN:
            return 0.0
        beta = self.schedule.beta(t, s)
        return math.sqrt(beta if self.variance == "fixed_large" else beta * self.schedule.sigma(s) ** 2 / self.schedule.sigma(t) ** 2)
