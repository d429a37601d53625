r"""Noise schedules: alpha and sigma at each timestep.

A noisy sample at timestep t is

.. math:: x_t = \alpha_t x_0 + \sigma_t \epsilon, \qquad \alpha_t^2 + \sigma_t^2 = 1.

A *timestep* is the number that the network is given, here in float64.

- A :class:`DiscreteSchedule` holds :math:`\bar\alpha_t = \alpha_t^2` from t = 0 (least noise) to
  T - 1. Between whole timesteps log alpha is linear, as DPM-Solver defines it (Lu et al. 2022,
  arXiv 2206.00927, appendix D.2). DPM-Solver's time (n + 1) / T is our timestep n.
- The :class:`VPSDE` has continuous time u in [0, 1]. Its networks are given the timestep 999 u.

:data:`CLEAN` = -1 is the data itself (alpha = 1, sigma = 0) in both.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

CLEAN = -1.0
"""The timestep of the data itself: one step below 0, and by convention also in continuous time."""


class NoiseSchedule(ABC):
    """A variance-preserving noise schedule, as samplers, grids and Dot see the forward process."""

    @property
    @abstractmethod
    def t_min(self) -> float:
        """The timestep nearest to the data at which a sampler calls the network."""

    @property
    @abstractmethod
    def t_max(self) -> float:
        """The noisiest timestep, where sampling starts."""

    @property
    @abstractmethod
    def t_clean(self) -> float:
        """The timestep at which no noise is left. Step sizes in time are measured up to it."""

    @abstractmethod
    def log_alpha(self, t: float) -> float:
        """log alpha_t; 0 at :data:`CLEAN`."""

    @abstractmethod
    def rate(self, t: float) -> float:
        """-2 d(log alpha) / dt with t in timesteps: the beta of dx = -beta x dt / 2 + sqrt(beta) dw
        (arXiv 2011.13456, equation 11)."""

    @abstractmethod
    def time_of_log_snr(self, log_snr: float) -> float:
        """The inverse of :meth:`log_snr`, for values between those of t_min and t_max."""

    def alpha(self, t: float) -> float:
        """The factor of the signal at timestep t."""
        return math.exp(self.log_alpha(t))

    def sigma(self, t: float) -> float:
        """The standard deviation of the noise at timestep t, sqrt(1 - alpha_t^2)."""
        return math.sqrt(-math.expm1(2.0 * self.log_alpha(t)))

    def beta(self, t: float, s: float) -> float:
        """1 - alpha_t^2 / alpha_s^2, the variance of the noise added from s to t > s. Exact also
        for neighbouring timesteps."""
        return -math.expm1(2.0 * (self.log_alpha(t) - self.log_alpha(s)))

    def log_snr(self, t: float) -> float:
        """lambda_t = log(alpha_t / sigma_t), half the log of the SNR; +inf at :data:`CLEAN`."""
        sigma = self.sigma(t)
        return math.inf if sigma == 0.0 else self.log_alpha(t) - math.log(sigma)

    def clean_estimate(self, x: Tensor, eps: Tensor, t: float) -> Tensor:
        """(x - sigma_t eps) / alpha_t: the image that a noise estimate at timestep t leaves."""
        return (x - self.sigma(t) * eps) / self.alpha(t)


@dataclass(frozen=True)
class DiscreteSchedule(NoiseSchedule):
    """A schedule of T training steps, also defined between them.

    Args:
        alphas_cumprod: (T,) float64, strictly decreasing inside (0, 1).

    Raises:
        ValueError: for other values.
    """

    alphas_cumprod: np.ndarray
    _log_alpha: np.ndarray = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        values = np.asarray(self.alphas_cumprod, dtype=np.float64)
        if (
            values.ndim != 1
            or len(values) < 2
            or not (0 < values[-1] and values[0] < 1 and (np.diff(values) < 0).all())
        ):
            raise ValueError("alphas_cumprod must be one strictly decreasing sequence inside (0, 1)")
        object.__setattr__(self, "alphas_cumprod", values)
        object.__setattr__(self, "_log_alpha", 0.5 * np.log(values))

    @property
    def num_train_timesteps(self) -> int:
        """T, the number of steps that the network was trained with."""
        return len(self.alphas_cumprod)

    @property
    def t_clean(self) -> float:
        return -1.0

    @property
    def t_min(self) -> float:
        return 0.0

    @property
    def t_max(self) -> float:
        return self.num_train_timesteps - 1.0

    def log_alpha(self, t: float) -> float:
        """log alpha_t, linear between whole timesteps; 0 at :data:`CLEAN`."""
        if t <= CLEAN:
            return 0.0
        if t < 0:  # between the data and timestep 0
            return float(self._log_alpha[0] * (t - CLEAN))
        return float(np.interp(t, np.arange(self.num_train_timesteps), self._log_alpha))

    def rate(self, t: float) -> float:
        """The slope below t, towards the data: -log(1 - beta_t) at a whole timestep."""
        end = math.ceil(t)
        return 2.0 * (self.log_alpha(end - 1.0) - self.log_alpha(end))

    def time_of_log_snr(self, log_snr: float) -> float:
        timesteps = np.arange(self.num_train_timesteps)
        return float(np.interp(_log_alpha_of(log_snr), self._log_alpha[::-1], timesteps[::-1]))


@dataclass(frozen=True)
class VPSDE(NoiseSchedule):
    r"""The VP-SDE, with beta linear in u (Song et al. 2021, arXiv 2011.13456, appendix B).

    .. math:: \log \alpha = -\tfrac 1 4 (\beta_1 - \beta_0) u^2 - \tfrac 1 2 \beta_0 u

    Args:
        beta_min, beta_max: beta at u = 0 and u = 1.
        end: u at the end of sampling: the authors' 1e-3; DPM-Solver's 1e-4 for over 15 calls.

    Raises:
        ValueError: unless 0 < beta_min <= beta_max and 0 < end < 1.
    """

    beta_min: float = 0.1
    beta_max: float = 20.0
    end: float = 1e-3

    SCALE: ClassVar[float] = 999.0

    def __post_init__(self) -> None:
        if not (0.0 < self.beta_min <= self.beta_max and 0.0 < self.end < 1.0):
            wanted = "0 < beta_min <= beta_max and 0 < end < 1"
            raise ValueError(
                f"a VP-SDE needs {wanted}, not beta {self.beta_min:g} to {self.beta_max:g}, end {self.end:g}"
            )

    @property
    def t_clean(self) -> float:
        return 0.0

    @property
    def t_min(self) -> float:
        return self.SCALE * self.end

    @property
    def t_max(self) -> float:
        return self.SCALE

    def log_alpha(self, t: float) -> float:
        u = max(t, 0.0) / self.SCALE
        return -0.25 * (self.beta_max - self.beta_min) * u**2 - 0.5 * self.beta_min * u

    def rate(self, t: float) -> float:
        return (self.beta_min + (self.beta_max - self.beta_min) * t / self.SCALE) / self.SCALE

    def time_of_log_snr(self, log_snr: float) -> float:
        # The quadratic's root c / (b + sqrt(b^2 + a c)), c = -4 log alpha, has no cancellation.
        slope, twice = self.beta_max - self.beta_min, -4.0 * _log_alpha_of(log_snr)
        return float(self.SCALE * twice / (self.beta_min + math.sqrt(self.beta_min**2 + slope * twice)))


def _log_alpha_of(log_snr: float) -> float:
    """log alpha = -1/2 log(1 + exp(-2 lambda)), from lambda = log(alpha / sigma)."""
    return -0.5 * float(np.logaddexp(0.0, -2.0 * log_snr))
