"""Morse: Dash where the plan says so, Dot elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from morse.methods.base import DashFunction, DotFunction, renewed, timesteps
from morse.methods.plans import DASH, DOT, Plan
from morse.runtime.arguments import taken_by
from morse.schedules.noise import NoiseSchedule


class Morse:
    r"""Dash's estimate where the plan says so, elsewhere Dash's last estimate plus Dot's residual.

    .. math:: z_t = \theta(x_t, t) \quad \text{or} \quad z_t = z_s + \eta(x_s, x_t, z_s, s, t)

    with s the timestep of Dash's latest call (arXiv 2506.18251, section 3.2).

    A stochastic sampler replaces a part of the sample's noise in every step. :math:`x_s` and
    :math:`z_s` do not contain the fresh noise, so Morse updates both. With fresh noise n, as the
    fraction c of the noise,

    .. math::

        z_s \leftarrow \sqrt{1 - c^2}\, z_s + c\, n, \qquad
        x_s \leftarrow \alpha_s \hat x_s + \sigma_s z_s,

    and the clean estimate :math:`\hat x_s` is kept. With memory, the estimate before the last one
    is renewed alike. After a step with Dash's own estimate, x_t is
    then again on a deterministic step from x_s, the kind that Dot was trained on.

    This is only approximate for DDPM with clipping, or with a variance other than the smaller one.
    For Euler-Maruyama it holds approximately with many steps only: its first steps add more noise
    than the sample has. There c > 1 counts as 1. The paper does not say how it treats stochastic
    samplers.

    Dash's channels beyond the image's, such as a learned variance, stay as they were at s: Dot
    corrects the noise estimate alone.

    Raises:
        ValueError: when called more often than the plan has calls.
    """

    def __init__(self, dash: DashFunction, dot: DotFunction, plan: Plan):
        self.dash, self.dot, self.plan = dash, dot, plan
        self.takes = taken_by(dot)
        self.begin()

    def begin(self) -> None:
        self.letters = ""
        self._last: tuple[Tensor, Tensor, float] | None = None
        self._before: tuple[Tensor, float] | None = None  # Dash's estimate before the last one, if Dot takes it

    def __call__(self, x: Tensor, t: float, *cond: Tensor) -> Tensor:
        index, now = len(self.letters), timesteps(x, t)
        if index >= self.plan.nfe:
            raise ValueError(f"the plan has {self.plan.nfe} calls, and the sampler made one more")
        self.letters += self.plan.letters[index]
        if self.plan.letters[index] == DASH:
            eps = self.dash(x, now, *cond)
            if self.takes.memory and self._last:
                self._before = self._taken(self._last[1], x), self._last[2]
            self._last = x, eps, t
            return eps
        x_s, eps_s, s = self._last
        taken, past = self._taken(eps_s, x), ()
        if self.takes.memory:
            eps_before, before = self._before or (taken, s)  # after the first call the line is flat
            past = eps_before, timesteps(x, before)
        residual = self.dot(x_s, x, taken, timesteps(x, s), now, *past, *cond)
        noise, beside = eps_s.tensor_split([x.shape[1]], dim=1)
        return torch.cat([noise + residual, beside], dim=1)

    def _taken(self, eps: Tensor, x: Tensor) -> Tensor:
        """The channels of Dash's estimate that Dot takes."""
        return eps[:, : self.takes.estimates * x.shape[1]]

    def renew_noise(self, noise: Tensor, share: float, schedule: NoiseSchedule) -> None:
        x_s, eps_s, s = self._last
        fresh = self._renewed(eps_s, noise, share)
        channels = x_s.shape[1]
        self._last = x_s + schedule.sigma(s) * (fresh - eps_s)[:, :channels], fresh, s
        if self._before:
            self._before = self._renewed(self._before[0], noise, share), self._before[1]

    @staticmethod
    def _renewed(eps: Tensor, noise: Tensor, share: float) -> Tensor:
        """An estimate with fresh noise; its channels beyond the image's stay."""
        own, beside = eps.tensor_split([noise.shape[1]], dim=1)
        return torch.cat([renewed(own, noise, share), beside], dim=1)


def predictor(networks: Mapping[str, Any], plan: Plan) -> Morse:
    """The method's predictor, with the networks "dash" and "dot". Raises ValueError for a plan with
    other calls."""
    if unknown := {*plan.letters} - {DASH, DOT}:
        raise ValueError(f"Morse calls Dash and Dot, its plan {plan.letters} has {min(unknown)!r}")
    return Morse(networks["dash"], networks["dot"], plan)
