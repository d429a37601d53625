r"""Euler-Maruyama on the reverse SDE (Song et al. 2021, arXiv 2011.13456, equation 6 and appendix
G).

From timestep t over :math:`\Delta`, with the schedule's rate beta
(:meth:`morse.schedules.noise.NoiseSchedule.rate`) and the score :math:`-\epsilon / \sigma_t`:

.. math::

    x_{t - \Delta} = x_t + \beta_t \Delta \left( \tfrac 1 2 x_t - \epsilon / \sigma_t \right)
        + \sqrt{\beta_t \Delta}\, z

The timesteps are uniform from t_max to t_min. The last step adds no noise: the authors'
"denoising". With n calls the authors' step is :math:`\Delta = 1 / n` of continuous time, whatever
the distance between timesteps. Ours is the same by default (``step_size`` "constant").
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from morse.samplers.base import GridSampler, Noise, State

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class EulerMaruyama(GridSampler):
    """Euler-Maruyama.

    Args:
        grid: a name of :data:`morse.schedules.grids.GRIDS`.
        step_size: "constant" as above: the distance from the first timestep to the end of the run,
            over the calls. Or "grid" for any grid: the distance to the next timestep, and after the
            last timestep the distance to the end.
        denoise: add no noise in the last step. Without it, the last sample has the noise of one
            step.
    """

    grid: str = "time-uniform"
    step_size: str = "constant"
    denoise: bool = True

    def __post_init__(self) -> None:
        if self.step_size not in ("constant", "grid"):
            raise ValueError(f"step_size of Euler-Maruyama is constant or grid, not {self.step_size!r}")
        super().__post_init__()

    def step(self, index: int, x: Tensor, eps: Tensor, state: State, noise: Noise) -> tuple[Tensor, State]:
        share = self._share(index)
        fresh = self.fresh_noise(index)
        x = (1.0 + 0.5 * share) * x - (share / self.schedule.sigma(self.times[index])) * eps
        return (x + fresh * noise() if fresh else x), None

    def fresh_noise(self, index: int) -> float:
        return 0.0 if self.denoise and index == self.calls - 1 else math.sqrt(self._share(index))

    def _share(self, index: int) -> float:
        """beta_t Delta, the variance of the noise of step ``index``."""
        (t, s), data = self.interval(index), self.schedule.t_clean
        whole = (self.times[0] - max(self.points[-1], data)) / self.calls
        return self.schedule.rate(t) * (whole if self.step_size == "constant" else t - max(s, data))
