r"""DDPM's ancestral sampling on a subsequence of the timesteps (Ho et al. 2020, arXiv 2006.11239,
algorithm 2).

From timestep t to the next one s < t, with :math:`\beta = 1 - \bar\alpha_t / \bar\alpha_s`:

.. math::

    x_s = \frac{\sqrt{\bar\alpha_s}\,\beta}{1 - \bar\alpha_t} \hat x_0
        + \frac{\sqrt{1 - \beta}\,(1 - \bar\alpha_s)}{1 - \bar\alpha_t} x_t + \sqrt{v}\, z

The variance v is one of three:

- "fixed_small": :math:`v_{small} = \beta (1 - \bar\alpha_s) / (1 - \bar\alpha_t)`, as in DDIM with
  eta = 1.
- "fixed_large": :math:`v_{large} = \beta`.
- "learned_range": between these two, for each pixel, as the network says (Nichol & Dhariwal 2021,
  arXiv 2102.09672, equation 15). With w in [-1, 1] from its further channels,

.. math:: \log v = \tfrac{1 + w} 2 \log v_{large} + \tfrac{1 - w} 2 \log v_{small}.

The last step adds no noise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from morse.samplers.base import GridSampler, Noise, State
from morse.schedules.noise import CLEAN

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class DDPM(GridSampler):
    """DDPM.

    Args:
        grid: a name of :data:`morse.schedules.grids.GRIDS`.
        variance: "fixed_small", "fixed_large", or "learned_range" for a network with twice the
            image's channels.
        clip: clamp the clean estimate to [-1, 1], as Ho et al. do.
    """

    variance: str = "fixed_small"
    clip: bool = True

    def __post_init__(self) -> None:
        if self.variance not in ("fixed_small", "fixed_large", "learned_range"):
            raise ValueError(f"variance of DDPM is fixed_small, fixed_large or learned_range, not {self.variance!r}")
        super().__post_init__()

    @property
    def learned_variance(self) -> bool:
        return self.variance == "learned_range"

    def step(self, index: int, x: Tensor, eps: Tensor, state: State, noise: Noise) -> tuple[Tensor, State]:
        """With learned variance ``eps`` is (B, 2 C, H, W): the noise estimate, then w.

        Raises:
            ValueError: if the estimate's channels do not fit the variance.
        """
        t, s = self.interval(index)
        if eps.shape[1] != (expected := x.shape[1] * (2 if self.learned_variance else 1)):
            raise ValueError(
                f"DDPM with variance {self.variance} needs a network of {expected} channels, not {eps.shape[1]}"
            )
        eps, w = eps[:, : x.shape[1]], eps[:, x.shape[1] :]
        x_0 = self.schedule.clean_estimate(x, eps, t)
        if self.clip:
            x_0 = x_0.clamp(-1.0, 1.0)
        if s == CLEAN:
            return x_0, None
        beta = self.schedule.beta(t, s)
        before, now = self.schedule.sigma(s) ** 2, self.schedule.sigma(t) ** 2
        mean = (self.schedule.alpha(s) * beta / now) * x_0 + (math.sqrt(1.0 - beta) * before / now) * x
        deviation = self.fresh_noise(index)
        if self.learned_variance:  # v_large / v_small = sigma_t^2 / sigma_s^2
            deviation = deviation * (now / before) ** (0.25 * (1.0 + w))
        return mean + deviation * noise(), None

    def fresh_noise(self, index: int) -> float:
        """With learned variance it is that of "fixed_small", the least: what the network adds
        differs from pixel to pixel."""
        t, s = self.interval(index)
        if s == CLEAN:
            return 0.0
        beta = self.schedule.beta(t, s)
        return math.sqrt(
            beta if self.variance == "fixed_large" else beta * self.schedule.sigma(s) ** 2 / self.schedule.sigma(t) ** 2
        )
