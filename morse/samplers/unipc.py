r"""UniPC, multistep: the predictor UniP and the corrector UniC share each network call (Zhao et al.
2023, arXiv 2302.04867).

From timestep t to s, with :math:`h = \lambda_s - \lambda_t`, the estimate :math:`m_0` at t, and
other estimates :math:`m_k` at :math:`\lambda_t + r_k h`:

.. math::

    x_s = \frac{\alpha_s}{\alpha_t} x_t - \sigma_s (e^h - 1)\, m_0
        - \sigma_s \sum_k \frac{w_k}{r_k} (m_k - m_0)

This is for estimates m of the noise. For estimates of the clean image, :math:`\alpha` and
:math:`\sigma` are exchanged, and -h replaces h in :math:`e^h` and in the weights.

UniP of order p uses the p - 1 estimates before t. UniC of order p also uses the estimate at s, with
r = 1. That estimate is the next call's, at the predicted :math:`x_s`, and UniC then takes the step
again. So UniC needs no additional call. For K other estimates, the weights solve

.. math:: \sum_k w_k r_k^{n - 1} = h\, n!\, \varphi_{n + 1}(h), \quad n = 1, \dots, K, \qquad
    \varphi_{n + 1}(h) = (\varphi_n(h) - 1 / n!) / h, \quad \varphi_1(h) = (e^h - 1) / h

A single weight (UniP of order 2, UniC of order 1) is the exception. It is :math:`w_1 = B(h) / 2`
with :math:`B_1(h) = h` or :math:`B_2(h) = e^h - 1`. From two weights on, the paper's B(h) cancels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from morse.samplers.base import GridSampler, Noise, State

if TYPE_CHECKING:
    from torch import Tensor

ORDERS = (1, 2, 3)
VARIANTS = ("bh1", "bh2")
PREDICTIONS = ("clean", "noise")


def unipc_weights(nodes: Sequence[float], h: float, variant: str) -> list[float]:
    """The weights w of the other estimates.

    Args:
        nodes: (K,) their r. K is at least 1; all are different, and none is 0.
        h: the step in log-SNR, negated for estimates of the clean image.
        variant: "bh1" or "bh2", the B(h) of a single weight.
    """
    if len(nodes) == 1:
        return [0.5 * (h if variant == "bh1" else math.expm1(h))]
    moments, phi = [], math.expm1(h) / h
    for n in range(1, len(nodes) + 1):
        moments.append(math.factorial(n) * phi - 1.0)
        phi = moments[-1] / (math.factorial(n) * h)
    return np.linalg.solve(np.vander(nodes, increasing=True).T, moments).tolist()


@dataclass(frozen=True)
class UniPCState:
    """What the corrector of the next step starts from.

    Args:
        x: (B, C, H, W), the corrected sample at the timestep of the last call.
        estimates: (B, C, H, W) each, at the timesteps of the last calls, newest first. At most as
            many as the order.
    """

    x: Tensor
    estimates: tuple[Tensor, ...]


@dataclass(frozen=True)
class UniPC(GridSampler):
    """UniPC without clipping. The order rises from 1 at the start, and falls to 1 for the last
    step.

    With ``end="first-timestep"`` it runs as its authors run it. To the data, steps are those of
    diffusers' ``UniPCMultistepScheduler`` with ``lower_order_final=True,
    final_sigmas_type="zero"``. There h of the last step is infinite, and the result is a clean
    estimate. With "clean" it is that of the predicted sample, with "noise" that of the corrected
    sample.

    Args:
        grid: a name of :data:`morse.schedules.grids.GRIDS`.
        order: p of UniP and UniC, from 1 to 3. The order of accuracy is p + 1.
        variant: "bh2"; or "bh1", advised for unconditional sampling in fewer than 10 steps.
        prediction: what is extrapolated: the estimate of the "clean" image or of the "noise".

    Raises:
        ValueError: for another order, variant or prediction.
    """

    order: int = 2
    variant: str = "bh2"
    prediction: str = "clean"

    def __post_init__(self) -> None:
        if self.order not in ORDERS:
            raise ValueError(f"order of UniPC is 1, 2 or 3, not {self.order!r}")
        if self.variant not in VARIANTS:
            raise ValueError(f"variant of UniPC is bh1 or bh2, not {self.variant!r}")
        if self.prediction not in PREDICTIONS:
            raise ValueError(f"prediction of UniPC is clean or noise, not {self.prediction!r}")
        super().__post_init__()

    def step(self, index: int, x: Tensor, eps: Tensor, state: State, noise: Noise) -> tuple[Tensor, State]:
        """``state`` is a :class:`UniPCState`. x, the predicted sample, is corrected first."""
        t, estimate, earlier = self.times[index], eps, ()
        if self.prediction == "clean":
            estimate = self.schedule.clean_estimate(x, eps, t)
        if state is not None:
            earlier = state.estimates
            x = self._advance(index - 1, state.x, earlier, reached=estimate)
        estimates = (estimate, *earlier)[: self.order]
        return self._advance(index, x, estimates), UniPCState(x, estimates)

    def order_of(self, index: int) -> int:
        """The order of the predictor from ``times[index]``, and of the corrector that repeats its
        step."""
        return min(self.order, index + 1, self.calls - index)

    def _advance(self, index: int, x: Tensor, estimates: Sequence[Tensor], reached: Tensor | None = None) -> Tensor:
        """x from ``times[index]`` to the next timestep, by UniP, or by UniC with the estimate
        ``reached`` there. ``estimates`` are newest first."""
        t, s = self.interval(index)
        first, *others = estimates[: self.order_of(index)]
        alpha, sigma, log_snr = self.schedule.alpha, self.schedule.sigma, self.schedule.log_snr
        kept, replaced = (alpha, sigma) if self.prediction == "noise" else (sigma, alpha)
        # -sigma_s (e^h - 1) as a difference, which is finite also at CLEAN.
        ratio = kept(s) / kept(t)
        x_s = ratio * x + (replaced(s) - ratio * replaced(t)) * first
        h = log_snr(s) - log_snr(t)
        nodes = [(log_snr(self.times[index - k]) - log_snr(t)) / h for k in range(1, len(others) + 1)]
        if reached is not None:
            nodes, others = [*nodes, 1.0], [*others, reached]
        if nodes:
            weights = unipc_weights(nodes, h if self.prediction == "noise" else -h, self.variant)
            for weight, r, other in zip(weights, nodes, others, strict=True):
                x_s = x_s - (replaced(s) * weight / r) * (other - first)
        return x_s
