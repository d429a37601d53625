"""Dash in closed form: the exact noise estimate for data that is Gaussian or a mixture of
Gaussians, and for Gaussian data the exact flow."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from morse.schedules.noise import NoiseSchedule


@dataclass(frozen=True)
class GaussianDash:
    r"""The best noise estimate for data :math:`N(\mu, \mathrm{diag}\, v)`.

    .. math:: \epsilon(x, t) = \sigma_t (x - \alpha_t \mu) / (\alpha_t^2 v + \sigma_t^2)

    Args:
        mean, variance: (C, H, W).
    """

    schedule: NoiseSchedule
    mean: Tensor
    variance: Tensor

    def __call__(self, x: Tensor, t: Tensor) -> Tensor:
        """x (B, C, H, W), t (B,) -> (B, C, H, W) in x's dtype."""
        factors = self.schedule.alpha, self.schedule.sigma
        alpha, sigma = (x.new_tensor([factor(time) for time in t.tolist()]).view(-1, 1, 1, 1) for factor in factors)
        mean, variance = self.mean.to(x.dtype), self.variance.to(x.dtype)
        return sigma * (x - alpha * mean) / (alpha**2 * variance + sigma**2)

    def flow(self, x: Tensor, t: float, s: float) -> Tensor:
        """The exact solution at timestep s of the probability-flow ODE through x at timestep t."""
        spread_t, spread_s = (self.schedule.alpha(u) ** 2 * self.variance + self.schedule.sigma(u) ** 2 for u in (t, s))
        return self.schedule.alpha(s) * self.mean + (spread_s / spread_t).sqrt() * (
            x - self.schedule.alpha(t) * self.mean
        )


@dataclass(frozen=True)
class MixtureDash:
    r"""The best noise estimate for a mixture of Gaussians. Its flow is not linear.

    .. math::

        \epsilon(x, t) =
        \sigma_t \sum_k r_k(x, t) (x - \alpha_t \mu_k) / (\alpha_t^2 v_k + \sigma_t^2)

    with the responsibilities r of the components.

    Args:
        weights, variances: (K,).
        means: (K, C, H, W).
    """

    schedule: NoiseSchedule
    weights: Tensor
    means: Tensor
    variances: Tensor

    def __call__(self, x: Tensor, t: Tensor) -> Tensor:
        """x (B, C, H, W), t (B,) with equal entries -> (B, C, H, W)."""
        alpha, sigma = self.schedule.alpha(t[0].item()), self.schedule.sigma(t[0].item())
        spread = alpha**2 * self.variances + sigma**2
        difference = x[:, None] - alpha * self.means  # (B, K, C, H, W)
        pixels = self.means[0].numel()
        logs = self.weights.log() - pixels / 2 * spread.log() - difference.square().sum((2, 3, 4)) / (2 * spread)
        return sigma * (logs.softmax(1) / spread)[:, :, None, None, None].mul(difference).sum(1)

    def moments(self) -> tuple[Tensor, Tensor]:
        """Mean (P,) and covariance (P, P) of the data, with the P = C H W pixels in one row."""
        means, weights = self.means.flatten(1), self.weights[:, None]
        mean = (weights * means).sum(0)
        between = (weights * (means - mean)).T @ (means - mean)
        return mean, between + (self.weights @ self.variances) * torch.eye(len(mean), dtype=means.dtype)
