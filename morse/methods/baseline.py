"""The baseline: Dash at every call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from morse.methods.base import DashFunction, EstimateFunction, Predictor, timesteps
from morse.methods.plans import DASH, Plan
from morse.schedules.noise import NoiseSchedule


class Baseline:
    """Dash's own estimate at every call."""

    def __init__(self, dash: DashFunction | EstimateFunction):
        self.dash = dash
        self.letters = ""

    def begin(self) -> None:
        self.letters = ""

    def __call__(self, x: Tensor, t: float, *cond: Tensor) -> Tensor:
        self.letters += DASH
        return self.dash(x, timesteps(x, t), *cond)

    def renew_noise(self, noise: Tensor, share: float, schedule: NoiseSchedule) -> None:
        """Does nothing: Dash sees the sample itself."""


class Plain(Baseline):
    """A plain function of (x, t) as a predictor, with t as a number in float64."""

    def __call__(self, x: Tensor, t: float, *cond: Tensor) -> Tensor:
        self.letters += DASH
        return self.dash(x, t, *cond)


def as_predictor(predictor: Predictor | EstimateFunction) -> Predictor:
    """The predictor itself, or a plain function as one."""
    return predictor if hasattr(predictor, "begin") else Plain(predictor)


def predictor(networks: Mapping[str, Any], plan: Plan) -> Baseline:
    """The method's predictor, with the network "dash". Raises ValueError for a plan with other
    calls."""
    if {*plan.letters} != {DASH}:
        raise ValueError(f"the baseline calls Dash alone, its plan is {plan.letters}")
    return Baseline(networks["dash"])
