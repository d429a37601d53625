"""What a sampler is: the timesteps at which it asks for a noise estimate, and the step it takes with each."""

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
"""What a step hands to the next one; None at the start."""


@dataclass(frozen=True)
class Sampler(ABC):
    """One way to sample.

    Args:
        schedule: the noise schedule of the network.
        calls: network calls of a run, at least 1; always exactly so many.

    Raises:
        ValueError: for a number of calls the sampler cannot make.
    """

    schedule: NoiseSchedule
    calls: int

    @property
    def learned_variance(self) -> bool:
        """Whether :meth:`step` is given all channels of the network, those behind the noise estimate too."""
        return False

    @property
    def stochastic(self) -> bool:
        """Whether any step adds fresh noise."""
        return any(self.fresh_noise(index) for index in range(self.calls))

    @property
    @abstractmethod
    def times(self) -> tuple[float, ...]:
        """(calls,) time labels of the network calls, strictly decreasing."""

    @abstractmethod
    def step(self, index: int, x: Tensor, eps: Tensor, state: State, noise: Noise) -> tuple[Tensor, State]:
        """From call ``index`` to the next call's sample, or after the last call to the image.

        Args:
            x: (B, C, H, W), the sample at ``times[index]``.
            eps: (B, C, H, W), its noise estimate.
            state: of the step before.
            noise: called by samplers that are stochastic, in every run in the same order.
        """

    def fresh_noise(self, index: int) -> float:
        """Standard deviation of the noise that step ``index`` draws, once, and adds to the sample; 0: it draws none."""
        return 0.0


@dataclass(frozen=True)
class GridSampler(Sampler):
    """A sampler whose times are those of a grid, and whose last step goes to the data.

    Args:
        grid: a name of :data:`morse.schedules.grids.GRIDS`.
    """

    grid: str = "uniform"

    def __post_init__(self) -> None:
        _ = self.times  # raises for a number of calls that the grid cannot have

    @cached_property
    def times(self) -> tuple[float, ...]:
        return tuple(GRIDS[self.grid](self.schedule, self.calls))

    def ends(self, index: int) -> tuple[float, float]:
        """Where step ``index`` begins and ends: its time and the next one, :data:`morse.schedules.noise.CLEAN` after the last."""
        return self.times[index], (*self.times[1:], CLEAN)[index]
