r"""Sampling of latent consistency models (Luo et al. 2023, arXiv 2310.04378, algorithm 3).

The function f mixes the network's clean estimate with the sample, so that f is the sample itself at
t = 0. Each step takes f to the next timestep s < t with noise that is all new:

.. math::

    x_s = \alpha_s f + \sigma_s z, \qquad
    f = c_{skip}(t)\, x_t + c_{out}(t)\, (x_t - \sigma_t \epsilon) / \alpha_t

with :math:`c_{skip} = d^2 / ((10 t)^2 + d^2)`, :math:`c_{out} = 10 t / \sqrt{(10 t)^2 + d^2}`, d =
0.5, as in diffusers. The last step returns f. This sampler is of use only with a network distilled
for it. With any other, f is the mean of all clean images that x_t may come from.
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
"""d, the standard deviation of the data that the boundary scalings assume (Song et al. 2023, arXiv
2303.01469)."""


def lcm_times(schedule: NoiseSchedule, calls: int, original_steps: int = 50) -> list[float]:
    """Skipping-step timesteps: ``calls`` of the ``k n - 1``, with k = T // original_steps and
    n = original_steps ... 1, evenly spaced by index.

    These ``original_steps`` timesteps are those at which the network was distilled. The grid is
    that of diffusers' ``LCMScheduler``, but in whole numbers. diffusers computes
    i * (original_steps / calls), which may fall just below a whole number (never with 50).

    Raises:
        ValueError: if original_steps is not within 1 to T, or calls not within 1 to original_steps.
    """
    total = training_steps(schedule, "LCM")
    if not 1 <= original_steps <= total:
        raise ValueError(f"original_steps of LCM lies between 1 and {total}, not {original_steps}")
    if not 1 <= calls <= original_steps:
        raise ValueError(
            f"an LCM grid over {original_steps} original steps has 1 to {original_steps} calls, not {calls}"
        )
    skip = total // original_steps
    return [float(skip * (original_steps - i * original_steps // calls) - 1) for i in range(calls)]


def boundary(scaled: float) -> tuple[float, float]:
    """(c_skip, c_out) at a timestep times its scaling; (1, 0) at 0."""
    total = scaled**2 + SIGMA_DATA**2
    return SIGMA_DATA**2 / total, scaled / math.sqrt(total)


@dataclass(frozen=True)
class LCM(Sampler):
    """Multistep consistency sampling, without clipping.

    Args:
        original_steps: the number of timesteps at which the network was distilled.
        timestep_scaling: the factor of the timestep in the boundary scalings.

    Raises:
        ValueError: for original steps that do not fit the schedule or the calls, or a scaling that
            is not positive.
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
        clean = skip * x + out * self.schedule.clean_estimate(x, eps, t)
        if index == self.calls - 1:
            return clean, None
        return self.schedule.alpha(self.times[index + 1]) * clean + self.fresh_noise(index) * noise(), None

    def fresh_noise(self, index: int) -> float:
        """All the noise at the next timestep."""
        return 0.0 if index == self.calls - 1 else self.schedule.sigma(self.times[index + 1])

    def boundary(self, t: float) -> tuple[float, float]:
        """(c_skip, c_out) at timestep t; (1, 0) at t = 0."""
        return boundary(self.timestep_scaling * t)
