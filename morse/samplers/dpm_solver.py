r"""DPM-Solver, singlestep (Lu et al. 2022, arXiv 2206.00927, algorithms 1 to 5), for the noise prediction.

From time t to s, with :math:`h = \lambda_s - \lambda_t`, inner points at :math:`\lambda_t + r h`, and
:math:`\phi_1(h) = e^h - 1`, :math:`\phi_2(h) = \phi_1(h) / h - 1`:

.. math::

    x_u = \tfrac{\alpha_u}{\alpha_t} x_t - \sigma_u \phi_1(r h)\, \epsilon_t - c\, (\epsilon_v - \epsilon_t)

where the last term, with an earlier inner estimate :math:`\epsilon_v`, raises the order. Each evaluation of the network is a
step of ours. The orders follow the authors' "fast" plan, so that a run makes exactly the stated number of calls:
3, 3, ..., and at the end 2, 1 or 1 or 2. Outer times are uniform in :math:`\lambda` from the noisiest label to the first, where the
sample is taken as the image; there is no denoising step at the end, as in the paper.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from torch import Tensor

from morse.grids import log_snr
from morse.samplers import Noise, Sampler, State

INNER = {1: (), 2: (0.5,), 3: (1 / 3, 2 / 3)}
"""Order -> the inner points' r (the authors' defaults)."""


def fast_orders(calls: int) -> list[int]:
    """Orders of the outer steps of DPM-Solver-fast, whose sum is ``calls`` (arXiv 2206.00927, section 3.4)."""
    if calls % 3 == 0:
        return [3] * (calls // 3 - 1) + [2, 1]
    return [3] * (calls // 3) + [calls % 3]


@dataclass(frozen=True)
class _Stage:
    """One network call: its time, where the outer step began and ends, the next time, and which call of its outer step it is."""

    time: float
    start: float
    end: float
    following: float
    inner: int
    order: int


@dataclass(frozen=True)
class DPMSolver(Sampler):
    """DPM-Solver-fast of order up to 3 with steps uniform in log-SNR."""

    def __post_init__(self) -> None:
        if self.calls < 1:
            raise ValueError(f"dpm-solver makes at least one call, not {self.calls}")

    @cached_property
    def _stages(self) -> Sequence[_Stage]:
        schedule, orders = self.schedule, fast_orders(self.calls)
        outer = np.linspace(schedule.log_snr(schedule.last), schedule.log_snr(schedule.first), len(orders) + 1)
        times = log_snr(schedule, len(outer))
        stages = []
        for k, order in enumerate(orders):
            inside = [schedule.time_of_log_snr(outer[k] + r * (outer[k + 1] - outer[k])) for r in INNER[order]]
            asked = [times[k], *inside, times[k + 1]]
            stages += [_Stage(asked[j], times[k], times[k + 1], asked[j + 1], j, order) for j in range(order)]
        return stages

    @cached_property
    def times(self) -> tuple[float, ...]:
        return tuple(stage.time for stage in self._stages)

    def step(self, index: int, x: Tensor, eps: Tensor, state: State, noise: Noise) -> tuple[Tensor, State]:
        """``state`` is (x_t, eps_t) at the start of the outer step under way."""
        stage, schedule = self._stages[index], self.schedule
        x_t, eps_t = (x, eps) if stage.inner == 0 else state
        h = schedule.log_snr(stage.end) - schedule.log_snr(stage.start)
        reached = schedule.log_snr(stage.following) - schedule.log_snr(stage.start)  # r h, or h at the end
        scale, sigma = schedule.alpha(stage.following) / schedule.alpha(stage.start), schedule.sigma(stage.following)
        base = scale * x_t - (sigma * math.expm1(reached)) * eps_t
        if stage.inner == 0:
            return base, (x_t, eps_t)
        r = INNER[stage.order][stage.inner - 1]
        if stage.order == 2:
            factor = sigma / (2.0 * r) * math.expm1(h)
        else:  # both corrected stages of order 3: phi_2 of what is reached, over the r of the latest estimate
            share = reached / h
            factor = sigma * share / r * (math.expm1(reached) / reached - 1.0)
        return base - factor * (eps - eps_t), (x_t, eps_t)
