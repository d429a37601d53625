r"""Sampling of latent consistency models (Luo et al. 2023, arXiv 2310.04378, algorithm 3).

The network's estimate of the clean image, mixed with the sample so that the mixture is the sample itself at t = 0, goes back to
the next time s < t with noise that is all new:

.. math::

    x_s = \alpha_s f + \sigma_s z, \qquad f = c_{skip}(t)\, x_t + c_{out}(t)\, (x_t - \sigma_t \epsilon) / \alpha_t

with :math:`c_{skip} = d^2 / ((10 t)^2 + d^2)`, :math:`c_{out} = 10 t / \sqrt{(10 t)^2 + d^2}`, d = 0.5, as in diffusers. The last
step returns f. It is of use only with a network distilled for it: of any other, f is the mean of all clean images that x_t may come from.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from morse.samplers.base import Noise, Sampler, State
from morse.schedules.grids import training_steps
from morse.schedules.noise import NoiseSchedule

if TYPE_CHECKING:
    from torch import Tensor

SIGMA_DATA = 0.5
"""d, the standard deviation of the data that the boundary scalings presume (Song et al. 2023, arXiv 2303.01469)."""


def lcm_times(schedule: NoiseSchedule, calls: int, original_steps: int = 50) -> list[float]:
    """Skipping-step times: ``calls`` of the ``k n - 1``, k = T // original_steps, n = original_steps ... 1, evenly by their index.

    These ``original_steps`` times are the ones the network was distilled at. As in diffusers' ``LCMScheduler``, but in whole numbers:
    its i * (original_steps / calls) may fall just short of one (never with 50).

    Raises:
        ValueError: if more original steps than T are asked for, or more calls than original steps, or fewer than one.
    """
    total = training_steps(schedule, "LCM")
    if not 1 <= original_steps <= total:
        raise ValueError(f"original_steps of LCM lies between 1 and {total}, not {original_steps}")
    if not 1 <= calls <= original_steps:
        raise ValueError(f"an LCM grid over {original_steps} original steps has 1 to {original_steps} calls, not {calls}")
    skip = total // original_steps
    return [float(skip * (original_steps - i * original_steps // calls) - 1) for i in range(calls)]


@dataclass(frozen=True)
class LCM(Sampler):
    """Multistep consistency sampling, without clipping.

    Args:
        original_steps: how many times of the schedule the network was distilled at.
        timestep_scaling: the factor of the time label in the boundary scalings.

    Raises:
        ValueError: for original steps that the schedule or the calls do not fit in, or a scaling that is not positive.
    """

    original_steps: int = 50
    timestep_scaling: float = 10.0

    def __post_init__(self) -> None:
        if not self.timestep_scaling > 0.0:
            raise ValueError(f"timestep_scaling of LCM is positive, not {self.timestep_scaling:g}")
        _ = self.times  # raises for a number of calls that the original steps cannot have

    @cached_property
    def times(self) -> tuple[float, ...]:
        return tuple(lcm_times(self.schedule, self.calls, self.original_steps))

    def step(self, index: int, x: Tensor, eps: Tensor, state: State, noise: Noise) -> tuple[Tensor, State]:
        t = self.times[index]
        skip, out = self.boundary(t)
        clean = skip * x + out * (x - self.schedule.sigma(t) * eps) / self.schedule.alpha(t)
        if index == self.calls - 1:
            return clean, None
        return self.schedule.alpha(self.times[index + 1]) * clean + self.fresh_noise(index) * noise(), None

    def fresh_noise(self, index: int) -> float:
        """All of the noise at the next time."""
        return 0.0 if index == self.calls - 1 else self.schedule.sigma(self.times[index + 1])

    def boundary(self, t: float) -> tuple[float, float]:
        """(c_skip, c_out) at time t; (1, 0) at t = 0."""
        scaled = self.timestep_scaling * t
        total = scaled**2 + SIGMA_DATA**2
        return SIGMA_DATA**2 / total, scaled / math.sqrt(total)
