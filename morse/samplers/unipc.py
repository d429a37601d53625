r"""UniPC, multistep (Zhao et al. 2023, arXiv 2302.04867): predictor UniP and corrector UniC share each call.

From time t to s, with :math:`h = \lambda_s - \lambda_t`, the estimate :math:`m_0` at t, and others :math:`m_k` at
:math:`\lambda_t + r_k h`:

.. math:: x_s = \frac{\alpha_s}{\alpha_t} x_t - \sigma_s (e^h - 1)\, m_0 - \sigma_s \sum_k \frac{w_k}{r_k} (m_k - m_0)

where m estimates the noise; where it estimates the clean image, :math:`\alpha` and :math:`\sigma` change places and -h stands for h in
:math:`e^h` and in the weights. UniP of order p uses the p - 1 estimates before t; UniC of order p also the one at s, r = 1, and so
takes the step again once the network was asked at the predicted :math:`x_s`: no call more. Of K others, the weights solve

.. math:: \sum_k w_k r_k^{n - 1} = h\, n!\, \varphi_{n + 1}(h), \quad n = 1, \dots, K, \qquad
    \varphi_{n + 1}(h) = (\varphi_n(h) - 1 / n!) / h, \quad \varphi_1(h) = (e^h - 1) / h

but a single one (UniP of order 2, UniC of order 1) is :math:`w_1 = B(h) / 2`, with :math:`B_1(h) = h` or :math:`B_2(h) = e^h - 1`;
from two on, the paper's B(h) cancels.
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
        nodes: (K,) their r, K at least 1: all different, none 0.
        h: the step in log-SNR; minus it for estimates of the clean image.
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
    """What the next step corrects with.

    Args:
        x: (B, C, H, W), the corrected sample at the time of the last call.
        estimates: (B, C, H, W) each, at the times of the last calls, newest first; at most as many as the order.
    """

    x: Tensor
    estimates: tuple[Tensor, ...]


@dataclass(frozen=True)
class UniPC(GridSampler):
    """UniPC without clipping; its order rises at the start from 1 and falls at the end to 1, for the step to CLEAN.

    Steps are those of diffusers' ``UniPCMultistepScheduler`` with ``lower_order_final=True, final_sigmas_type="zero"``. The last one, where
    h is infinite, returns with "clean" the estimate at the predicted sample, with "noise" the one of the corrected sample.

    Args:
        grid: a name of :data:`morse.schedules.grids.GRIDS`.
        order: p of UniP and UniC, from 1 to 3; its order of accuracy is p + 1.
        variant: "bh2", or "bh1", advised for unconditional sampling in fewer than 10 steps.
        prediction: what is extrapolated, the estimate of the "clean" image or of the "noise".

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
        """``state`` is a :class:`UniPCState`; x, the predicted sample, is corrected first."""
        t, estimate, earlier = self.times[index], eps, ()
        if self.prediction == "clean":
            estimate = (x - self.schedule.sigma(t) * eps) / self.schedule.alpha(t)
        if state is not None:
            earlier = state.estimates
            x = self._advance(index - 1, state.x, earlier, reached=estimate)
        estimates = (estimate, *earlier)[: self.order]
        return self._advance(index, x, estimates), UniPCState(x, estimates)

    def order_of(self, index: int) -> int:
        """Of the predictor from ``times[index]``, and of the corrector that repeats its step."""
        return min(self.order, index + 1, self.calls - index)

    def _advance(self, index: int, x: Tensor, estimates: Sequence[Tensor], reached: Tensor | None = None) -> Tensor:
        """x from ``times[index]`` to the next time: UniP, or UniC with the estimate ``reached`` there; estimates newest first."""
        t, s = self.ends(index)
        first, *others = estimates[: self.order_of(index)]
        alpha, sigma, log_snr = self.schedule.alpha, self.schedule.sigma, self.schedule.log_snr
        kept, replaced = (alpha, sigma) if self.prediction == "noise" else (sigma, alpha)
        # -sigma_s (e^h - 1) as a difference, which is finite also at CLEAN.
        ratio = kept(s) / kept(t)
        made = ratio * x + (replaced(s) - ratio * replaced(t)) * first
        h = log_snr(s) - log_snr(t)
        nodes = [(log_snr(self.times[index - k]) - log_snr(t)) / h for k in range(1, len(others) + 1)]
        if reached is not None:
            nodes, others = [*nodes, 1.0], [*others, reached]
        if nodes:
            weights = unipc_weights(nodes, h if self.prediction == "noise" else -h, self.variant)
            for weight, r, other in zip(weights, nodes, others, strict=True):
                made = made - (replaced(s) * weight / r) * (other - first)
        return made
