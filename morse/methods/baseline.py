"""The baseline: Dash at every call."""

from __future__ import annotations

from torch import Tensor

from morse.methods.base import Calls, DashFunction, labels
from morse.schedules.noise import NoiseSchedule


class DashOnly:
    """The baseline: Dash at every call."""

    def __init__(self, dash: DashFunction):
        self.dash = dash
        self.calls = Calls()

    def begin(self) -> None:
        self.calls = Calls()

    def __call__(self, x: Tensor, t: float) -> Tensor:
        self.calls.made += "D"
        return self.dash(x, labels(x, t))

    def renew_noise(self, noise: Tensor, share: float, schedule: NoiseSchedule) -> None:
        """Dash sees the sample itself: nothing to do."""
