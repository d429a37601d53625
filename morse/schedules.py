r"""Noise schedules and the times at which a network is asked for its estimate.

A discrete schedule of T steps holds :math:`\bar\alpha_0 > \dots > \bar\alpha_{T-1}`; a noisy sample at time t is

.. math:: x_t = \alpha_t x_0 + \sigma_t \epsilon, \qquad \alpha_t = \sqrt{\bar\alpha_t}, \; \sigma_t = \sqrt{1 - \bar\alpha_t}.

Times are *labels*, the numbers the network was trained with: 0 is the least noisy step, T - 1 the noisiest, and
:data:`CLEAN` = -1 stands for the data itself (alpha = 1, sigma = 0). Between whole labels, log alpha is linear: DPM-Solver's
definition of continuous time over a discrete schedule (Lu et al. 2022, arXiv 2206.00927, appendix D.2), whose
time :math:`(n + 1) / T` is our label n. All values are float64.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from morse.registry import Registry

CLEAN = -1.0
"""The time of the data itself: one step below the least noisy label."""


@dataclass(frozen=True)
class NoiseSchedule:
    """A discrete, variance-preserving noise schedule with continuous access.

    Args:
        alphas_cumprod: (T,) float64, strictly decreasing inside (0, 1).

    Raises:
        ValueError: if the values are not such a sequence.
    """

    alphas_cumprod: np.ndarray
    _log_alpha: np.ndarray = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        values = np.asarray(self.alphas_cumprod, dtype=np.float64)
        if values.ndim != 1 or len(values) < 2 or not (0 < values[-1] and values[0] < 1 and (np.diff(values) < 0).all()):
            raise ValueError("alphas_cumprod must be one strictly decreasing sequence inside (0, 1)")
        object.__setattr__(self, "alphas_cumprod", values)
        object.__setattr__(self, "_log_alpha", 0.5 * np.log(values))

    @property
    def num_train_timesteps(self) -> int:
        """T, the number of steps the network was trained with."""
        return len(self.alphas_cumprod)

    def log_alpha(self, t: float) -> float:
        """log alpha_t, linear between whole labels; 0 at :data:`CLEAN`."""
        if t <= CLEAN:
            return 0.0
        if t < 0:  # between the data and the first label
            return float(self._log_alpha[0] * (t - CLEAN))
        return float(np.interp(t, np.arange(self.num_train_timesteps), self._log_alpha))

    def alpha(self, t: float) -> float:
        """The signal's factor at time t."""
        return math.exp(self.log_alpha(t))

    def sigma(self, t: float) -> float:
        """The noise's standard deviation at time t, sqrt(1 - alpha_t^2)."""
        return math.sqrt(-math.expm1(2.0 * self.log_alpha(t)))

    def beta(self, t: float, s: float) -> float:
        """1 - alpha_t^2 / alpha_s^2, the noise's share of the way from s to t > s; exact also for neighbouring times."""
        return -math.expm1(2.0 * (self.log_alpha(t) - self.log_alpha(s)))

    def log_snr(self, t: float) -> float:
        """lambda_t = log(alpha_t / sigma_t), half the logarithm of the signal-to-noise ratio; +inf at :data:`CLEAN`."""
        sigma = self.sigma(t)
        return math.inf if sigma == 0.0 else self.log_alpha(t) - math.log(sigma)

    def time_of_log_snr(self, log_snr: float) -> float:
        """The inverse of :meth:`log_snr`, for values the schedule reaches between labels 0 and T - 1."""
        # From lambda = log(alpha / sigma): log alpha = -1/2 log(1 + exp(-2 lambda)).
        log_alpha = -0.5 * np.logaddexp(0.0, -2.0 * log_snr)
        labels = np.arange(self.num_train_timesteps)
        return float(np.interp(log_alpha, self._log_alpha[::-1], labels[::-1]))


def linear(num_train_timesteps: int = 1000, beta_start: float = 1e-4, beta_end: float = 0.02) -> NoiseSchedule:
    """DDPM's schedule: beta linear in the step (Ho et al. 2020, arXiv 2006.11239, section 4)."""
    betas = np.linspace(beta_start, beta_end, num_train_timesteps, dtype=np.float64)
    return NoiseSchedule(np.cumprod(1.0 - betas))


def scaled_linear(num_train_timesteps: int = 1000, beta_start: float = 0.00085, beta_end: float = 0.012) -> NoiseSchedule:
    """Latent diffusion's schedule: the square root of beta linear in the step (Rombach et al. 2022, arXiv 2112.10752)."""
    betas = np.linspace(math.sqrt(beta_start), math.sqrt(beta_end), num_train_timesteps, dtype=np.float64) ** 2
    return NoiseSchedule(np.cumprod(1.0 - betas))


def cosine(num_train_timesteps: int = 4000, max_beta: float = 0.999) -> NoiseSchedule:
    """Improved DDPM's: alpha_bar follows a squared cosine, each beta at most ``max_beta`` (Nichol & Dhariwal 2021, arXiv 2102.09672)."""
    edges = np.cos((np.arange(num_train_timesteps + 1) / num_train_timesteps + 0.008) / 1.008 * math.pi / 2.0) ** 2
    betas = np.minimum(1.0 - edges[1:] / edges[:-1], max_beta)
    return NoiseSchedule(np.cumprod(1.0 - betas))


SCHEDULES = Registry(
    "noise schedule",
    {"linear": "morse.schedules:linear", "scaled-linear": "morse.schedules:scaled_linear", "cosine": "morse.schedules:cosine"},
)
"""Name in a model card -> function of its settings that returns the schedule."""
