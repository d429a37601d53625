r"""Forecast: Dash where the plan says so, elsewhere its latest estimates, extrapolated.

It is what Dot is measured against: how much of Dot is a polynomial? It trains nothing, and sees
no sample between Dash's calls. With DDIM and order 0 it is DDIM on the timesteps of Dash's calls
alone, as steps with one estimate compose. Rivals that extrapolate features or outputs are of this
kind, such as TaylorSeer (Liu et al. 2025, arXiv 2503.06923).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from morse.methods.base import DashFunction, renewed, timesteps
from morse.methods.forecast_plans import FORECAST, MOST_ORDER
from morse.methods.plans import DASH, Plan
from morse.schedules.noise import NoiseSchedule


def lagrange_weights(place: float, places: Sequence[float]) -> list[float]:
    r"""The factors of a polynomial's values at ``places`` that give its value at ``place``.

    .. math:: w_k = \prod_{m \ne k} \frac{i - j_m}{j_k - j_m}

    They add up to 1, and are exact for polynomials of a lower degree than there are places.

    >>> lagrange_weights(4, [3, 1])
    [1.5, -0.5]
    """
    return [math.prod((place - m) / (k - m) for m in places if m != k) for k in places]


class Forecast:
    r"""Dash's estimate where the plan says so, elsewhere Lagrange's polynomial through Dash's last
    p + 1 estimates.

    .. math:: z_i = \sum_{k=0}^{p} w_k\, \theta(x_{j_k}, t_{j_k})

    with the indices :math:`j_0 > j_1 > \dots` of Dash's latest calls among all calls, and the
    weights of :func:`lagrange_weights` at the index i. So estimates are extrapolated in the index
    of a step, whatever the timesteps are. While fewer estimates are known, p is smaller.

    A stochastic sampler replaces a part of the sample's noise in every step, which no estimate
    before knows of. With fresh noise n, as the fraction c of the noise, all estimates that are
    remembered become :math:`\sqrt{1 - c^2}\, z + c\, n`, as in :class:`morse.methods.morse.Morse`.
    There c > 1 counts as 1. The weights add up to 1, so the extrapolated estimate changes alike.

    Dash's channels beyond the image's, such as a learned variance, are those of its last call.

    Args:
        dash: x (B, C, H, W), t (B,) -> (B, C, H, W) or more channels.
        order: p.

    Raises:
        ValueError: when called more often than the plan has calls.
    """

    def __init__(self, dash: DashFunction, plan: Plan, order: int):
        self.dash, self.plan, self.order = dash, plan, order
        self.begin()

    def begin(self) -> None:
        self.letters = ""
        self._known: list[tuple[int, Tensor]] = []  # index and noise estimate, the latest first
        self._beside: Tensor | None = None  # further channels of Dash's last call

    def __call__(self, x: Tensor, t: float, *cond: Tensor) -> Tensor:
        index = len(self.letters)
        if index >= self.plan.nfe:
            raise ValueError(f"the plan has {self.plan.nfe} calls, and the sampler made one more")
        self.letters += self.plan.letters[index]
        if self.plan.letters[index] == DASH:
            estimate = self.dash(x, timesteps(x, t), *cond)
            noise, self._beside = estimate.tensor_split([x.shape[1]], dim=1)
            self._known = [(index, noise), *self._known][: self.order + 1]
            return estimate
        weights = lagrange_weights(index, [place for place, _ in self._known])
        noise = sum(weight * past for weight, (_, past) in zip(weights, self._known, strict=True))
        return torch.cat([noise, self._beside], dim=1)

    def renew_noise(self, noise: Tensor, share: float, schedule: NoiseSchedule) -> None:
        self._known = [(index, renewed(past, noise, share)) for index, past in self._known]


def predictor(networks: Mapping[str, Any], plan: Plan) -> Forecast:
    """The method's predictor, with the network "dash".

    Args:
        plan: its settings give the order. Without it the order is the highest, which latencies are
            measured with.

    Raises:
        ValueError: for a plan with other calls.
    """
    if unknown := {*plan.letters} - {DASH, FORECAST}:
        raise ValueError(f"forecast calls Dash and extrapolates, its plan {plan.letters} has {min(unknown)!r}")
    return Forecast(networks["dash"], plan, plan.settings.get("order", MOST_ORDER))
