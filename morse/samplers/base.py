"""The interface of samplers: the timesteps of the network calls, and the step after each call."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from morse.registry import require_known
from morse.schedules.grids import GRIDS
from morse.schedules.noise import CLEAN, DiscreteSchedule, NoiseSchedule

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


ENDS: dict[str, Callable[[NoiseSchedule], float]] = {
    "data": lambda schedule: CLEAN,
    "first-timestep": lambda schedule: schedule.t_min,
    "abar_0": lambda schedule: 0.0,
}
"""Where the last step of a run on a grid may go (:class:`GridSampler`) -> that timestep."""


@dataclass(frozen=True)
class GridSampler(Sampler):
    """A sampler on a timestep grid.

    Args:
        grid: a name of :data:`morse.schedules.grids.GRIDS`.
        end: where the last step goes.
            "data": from the grid's last timestep to the data, where no noise is left.
            "first-timestep": to t_min, the last timestep of a grid of calls + 1. The authors of
            DPM-Solver and UniPC run them so.
            "abar_0": from the grid's last timestep to timestep 0, as CompVis ends DDIM. diffusers
            does so with ``set_alpha_to_one=False``.
        times: (calls,) timesteps of the network calls, instead of the grid's. After
            initialisation, the timesteps of the calls in any case.

    Attributes:
        points: (calls + 1,) the timesteps of the calls, and the one where the run ends, which is
            :data:`morse.schedules.noise.CLEAN` for the data.

    Raises:
        ValueError: for an unknown end, a grid that does not have it, or times that do not fall or
            do not fit the schedule or the calls.
    """

    grid: str = "uniform"
    end: str = field(default="data", kw_only=True)
    times: Sequence[float] | None = field(default=None, kw_only=True)
    points: tuple[float, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        require_known("end of a run", [self.end], ENDS)
        if self.end == "abar_0" and not isinstance(self.schedule, DiscreteSchedule):
            raise ValueError("end: abar_0 is of schedules in training steps; in continuous time use first-timestep")
        points = self._given_points() if self.times is not None else self._grid_points()
        if points[-1] == points[-2]:
            raise ValueError(f"a last step from timestep {points[-2]:g} to itself changes nothing; use end: data")
        object.__setattr__(self, "points", tuple(points))
        object.__setattr__(self, "times", self.points[:-1])

    def _grid_points(self) -> list[float]:
        grid = GRIDS[self.grid]
        if self.end != "first-timestep":
            return [*grid(self.schedule, self.calls), ENDS[self.end](self.schedule)]
        points = grid(self.schedule, self.calls + 1)
        if points[-1] != self.schedule.t_min:
            raise ValueError(
                f"end: first-timestep needs a grid that ends there, such as log-snr or time-uniform; "
                f"{self.grid!r} ends at {points[-1]:g}"
            )
        return points

    def _given_points(self) -> list[float]:
        times = [float(time) for time in self.times]
        if len(times) != self.calls:
            raise ValueError(f"times gives {len(times)} timesteps, a run of {self.calls} calls needs {self.calls}")
        low, high = self.schedule.t_min, self.schedule.t_max
        if not all(low <= time <= high for time in times) or any(s >= t for t, s in pairwise(times)):
            raise ValueError(f"times must fall strictly, within {high:g} and {low:g}; they are {times}")
        return [*times, ENDS[self.end](self.schedule)]

    def interval(self, index: int) -> tuple[float, float]:
        """(t, s): step ``index`` goes from timestep t to s. The last step goes to where the run
        ends, for the data :data:`morse.schedules.noise.CLEAN`."""
        return self.points[index], self.points[index + 1]
