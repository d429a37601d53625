"""Morse: Dash where the plan says so, Dot elsewhere."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from morse.methods.base import Calls, DashFunction, DotFunction, labels
from morse.methods.plans import Plan
from morse.schedules.noise import NoiseSchedule


class Morse:
    r"""Dash where the plan says so, elsewhere Dash's last estimate plus Dot's residual.

    .. math:: z_t = \theta(x_t, t) \quad \text{or} \quad z_t = z_s + \eta(x_s, x_t, z_s, s, t)

    with s the latest time of Dash (arXiv 2506.18251, section 3.2).

    A stochastic sampler exchanges a part of the sample's noise in every step, of which neither :math:`x_s` nor :math:`z_s` knows. What
    Morse remembers follows: with fresh noise n as the share c of the noise,

    .. math:: z_s \leftarrow \sqrt{1 - c^2}\, z_s + c\, n, \qquad x_s \leftarrow \alpha_s \hat x_s + \sigma_s z_s,

    the clean estimate :math:`\hat x_s` kept. After a step with Dash's own estimate, x_t so lies again on a deterministic step from x_s,
    the kind that Dot was trained on; of DDPM with clipping or another than the smaller variance only nearly, and of Euler-Maruyama, whose
    first steps put more noise in than the sample has (c > 1 counts as 1), with many steps only. The paper does not say what it does.

    Channels of Dash beyond the image's, a learned variance, stay as they were at s: Dot speaks of the noise alone.

    Raises:
        ValueError: when called more often than the plan has calls.
    """

    def __init__(self, dash: DashFunction, dot: DotFunction, plan: Plan):
        self.dash, self.dot, self.plan = dash, dot, plan
        self.begin()

    def begin(self) -> None:
        self.calls = Calls()
        self._last: tuple[Tensor, Tensor, float] | None = None

    def __call__(self, x: Tensor, t: float) -> Tensor:
        index, now = len(self.calls.made), labels(x, t)
        if index >= len(self.plan.dash):
            raise ValueError(f"the plan has {len(self.plan.dash)} calls, and the sampler made one more")
        if self._last is None or self.plan.dash[index]:
            self.calls.made += "D"
            eps = self.dash(x, now)
            self._last = x, eps[:, : x.shape[1]], t
            self._variance = eps[:, x.shape[1] :]
            return eps
        self.calls.made += "."
        x_s, eps_s, s = self._last
        return torch.cat([eps_s + self.dot(x_s, x, eps_s, labels(x, s), now), self._variance], dim=1)

    def renew_noise(self, noise: Tensor, share: float, schedule: NoiseSchedule) -> None:
        x_s, eps_s, s = self._last
        share = min(share, 1.0)  # exceeded by DDPM's larger variance in the last steps, and by long first steps of Euler-Maruyama
        eps = math.sqrt(1.0 - share**2) * eps_s + share * noise
        self._last = x_s + schedule.sigma(s) * (eps - eps_s), eps, s
