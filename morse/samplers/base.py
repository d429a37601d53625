"""The interface of samplers: the timesteps of the network calls, and the step after each call."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from morse.schedules.grids import GRIDS
from morse.schedules.noise import CLEAN, NoiseSchedule

if TYPE_CHECKING:
    from torch import Tensor

Noise = Callable[[], "Tensor"]
"""Draws standard normal noise of x's shape, each image's from its own generator."""
State = Any
"""What a step passes to the next step; None at the start."""


@dataclass(frozen=True)
class Sampler(ABC):
    """A sampler for one schedule and one number of calls.

    Args:
        schedule: the noise schedule of the network.
        calls: network calls of a run (NFE), at least 1. A run makes exactly this many.

    Raises:
        ValueError: for a number of calls the sampler cannot make.
    """

    schedule: NoiseSchedule
    calls: int

    @property
    def learned_variance(self) -> bool:
        """Whether :meth:`step` gets all channels of the network, also those after the noise
        estimate."""
        return False

    @property
    def stochastic(self) -> bool:
        """Whether any step adds fresh noise."""
        return any(self.fresh_noise(index) for index in range(self.calls))

    @property
    @abstractmethod
    def times(self) -> tuple[float, ...]:
        """(calls,) timesteps of the network calls, strictly decreasing."""

    @abstractmethod
    def step(self, index: int, x: Tensor, eps: Tensor, state: State, noise: Noise) -> tuple[Tensor, State]:
        """From the sample at call ``index`` to the sample of the next call; after the last call, to
        the image.

        Args:
            x: (B, C, H, W), the sample at ``times[index]``.
            eps: (B, C, H, W), its noise estimate.
            state: from the step before.
            noise: called by stochastic samplers only, in the same order in every run.
        """

    def fresh_noise(self, index: int) -> float:
        """Standard deviation of the noise that step ``index`` draws, once, and adds to the sample.
        0 if it draws none."""
        return 0.0


@dataclass(frozen=True)
class GridSampler(Sampler):
    """A sampler on a timestep grid, with a last step to the data.

    Args:
        grid: a name of :data:`morse.schedules.grids.GRIDS`.
    """

    grid: str = "uniform"

    def __post_init__(self) -> None:
        _ = self.times  # raises for a number of calls that the grid cannot have

    @cached_property
    def times(self) -> tuple[float, ...]:
        return tuple(GRIDS[self.grid](self.schedule, self.calls))

    def interval(self, index: int) -> tuple[float, float]:
        """(t, s): step ``index`` goes from timestep t to s. The last step goes to
        :data:`morse.schedules.noise.CLEAN`."""
        return self.times[index], (*self.times[1:], CLEAN)[index]
