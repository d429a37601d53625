r"""Noise schedules and the times at which a network is asked for its estimate.

A noisy sample at time t is

.. math:: x_t = \alpha_t x_0 + \sigma_t \epsilon, \qquad \alpha_t^2 + \sigma_t^2 = 1.

Times are *labels*, the numbers that the network is given, in float64.

- A :class:`DiscreteSchedule` of T steps holds :math:`\bar\alpha_0 > \dots > \bar\alpha_{T-1}` with :math:`\alpha_t = \sqrt{\bar\alpha_t}`:
  label 0 is the least noisy step, T - 1 the noisiest. Between whole labels log alpha is linear, which is DPM-Solver's definition of
  continuous time over a discrete schedule (Lu et al. 2022, arXiv 2206.00927, appendix D.2); its time (n + 1) / T is our label n.
- The :class:`VPSDE` is a function of continuous time in (0, 1], of which the network is given 999 times as much.

:data:`CLEAN` = -1 stands for the data itself (alpha = 1, sigma = 0) in both.
"""

from __future__ import annotations

import inspect
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from morse.registry import Registry, require_known

CLEAN = -1.0
"""The time of the data itself: one step below the least noisy label of a discrete schedule, and by agreement that of a continuous one."""


class NoiseSchedule(ABC):
    """A variance-preserving noise schedule: what samplers, grids and Dot know of the forward process."""

    @property
    @abstractmethod
    def first(self) -> float:
        """The label nearest to the data that a sampler asks at."""

    @property
    @abstractmethod
    def last(self) -> float:
        """The noisiest label, where sampling starts."""

    @property
    @abstractmethod
    def data(self) -> float:
        """The label at which nothing is left of the noise, to which step sizes in time are counted."""

    @abstractmethod
    def log_alpha(self, t: float) -> float:
        """log alpha_t; 0 at :data:`CLEAN`."""

    @abstractmethod
    def rate(self, t: float) -> float:
        """-2 d(log alpha) / dt per label: the beta of dx = -beta x dt / 2 + sqrt(beta) dw (arXiv 2011.13456, equation 11)."""

    @abstractmethod
    def time_of_log_snr(self, log_snr: float) -> float:
        """The inverse of :meth:`log_snr`, for the values between :attr:`first` and :attr:`last`."""

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


@dataclass(frozen=True)
class DiscreteSchedule(NoiseSchedule):
    """A schedule of T training steps, with continuous access.

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

    @property
    def data(self) -> float:
        return -1.0

    @property
    def first(self) -> float:
        return 0.0

    @property
    def last(self) -> float:
        return self.num_train_timesteps - 1.0

    def log_alpha(self, t: float) -> float:
        """log alpha_t, linear between whole labels; 0 at :data:`CLEAN`."""
        if t <= CLEAN:
            return 0.0
        if t < 0:  # between the data and the first label
            return float(self._log_alpha[0] * (t - CLEAN))
        return float(np.interp(t, np.arange(self.num_train_timesteps), self._log_alpha))

    def rate(self, t: float) -> float:
        """The slope on the way from t towards the data: -log(1 - beta_t) at a whole label."""
        end = math.ceil(t)
        return 2.0 * (self.log_alpha(end - 1.0) - self.log_alpha(end))

    def time_of_log_snr(self, log_snr: float) -> float:
        labels = np.arange(self.num_train_timesteps)
        return float(np.interp(_log_alpha_of(log_snr), self._log_alpha[::-1], labels[::-1]))


@dataclass(frozen=True)
class VPSDE(NoiseSchedule):
    r"""The variance-preserving SDE (Song et al. 2021, arXiv 2011.13456, appendix B), beta linear in continuous time u in [0, 1].

    .. math:: \log \alpha = -\tfrac 1 4 (\beta_1 - \beta_0) u^2 - \tfrac 1 2 \beta_0 u

    A label is 999 u, as its authors' networks are given it.

    Args:
        beta_min, beta_max: beta at u = 0 and u = 1.
        end: the u at which sampling ends; the authors' 1e-3. DPM-Solver's take 1e-4 for more than 15 calls.

    Raises:
        ValueError: unless 0 < beta_min <= beta_max and 0 < end < 1.
    """

    beta_min: float = 0.1
    beta_max: float = 20.0
    end: float = 1e-3

    LABELS: ClassVar[float] = 999.0

    def __post_init__(self) -> None:
        if not (0.0 < self.beta_min <= self.beta_max and 0.0 < self.end < 1.0):
            wanted = "0 < beta_min <= beta_max and 0 < end < 1"
            raise ValueError(f"a VP-SDE needs {wanted}, not beta {self.beta_min:g} to {self.beta_max:g}, end {self.end:g}")

    @property
    def data(self) -> float:
        return 0.0

    @property
    def first(self) -> float:
        return self.LABELS * self.end

    @property
    def last(self) -> float:
        return self.LABELS

    def log_alpha(self, t: float) -> float:
        u = max(t, 0.0) / self.LABELS
        return -0.25 * (self.beta_max - self.beta_min) * u**2 - 0.5 * self.beta_min * u

    def rate(self, t: float) -> float:
        return (self.beta_min + (self.beta_max - self.beta_min) * t / self.LABELS) / self.LABELS

    def time_of_log_snr(self, log_snr: float) -> float:
        # The root of the quadratic in u, in the form that does not cancel: c / (b + sqrt(b^2 + a c)) with c = -4 log alpha.
        slope, twice = self.beta_max - self.beta_min, -4.0 * _log_alpha_of(log_snr)
        return float(self.LABELS * twice / (self.beta_min + math.sqrt(self.beta_min**2 + slope * twice)))


def _log_alpha_of(log_snr: float) -> float:
    """From lambda = log(alpha / sigma): log alpha = -1/2 log(1 + exp(-2 lambda))."""
    return -0.5 * float(np.logaddexp(0.0, -2.0 * log_snr))


def linear(num_train_timesteps: int = 1000, beta_start: float = 1e-4, beta_end: float = 0.02) -> DiscreteSchedule:
    """DDPM's schedule: beta linear in the step (Ho et al. 2020, arXiv 2006.11239, section 4)."""
    betas = np.linspace(beta_start, beta_end, num_train_timesteps, dtype=np.float64)
    return DiscreteSchedule(np.cumprod(1.0 - betas))


def scaled_linear(num_train_timesteps: int = 1000, beta_start: float = 0.00085, beta_end: float = 0.012) -> DiscreteSchedule:
    """Latent diffusion's schedule: the square root of beta linear in the step (Rombach et al. 2022, arXiv 2112.10752)."""
    betas = np.linspace(math.sqrt(beta_start), math.sqrt(beta_end), num_train_timesteps, dtype=np.float64) ** 2
    return DiscreteSchedule(np.cumprod(1.0 - betas))


def cosine(num_train_timesteps: int = 4000, max_beta: float = 0.999) -> DiscreteSchedule:
    """Improved DDPM's: alpha_bar follows a squared cosine, each beta at most ``max_beta`` (Nichol & Dhariwal 2021, arXiv 2102.09672)."""
    edges = np.cos((np.arange(num_train_timesteps + 1) / num_train_timesteps + 0.008) / 1.008 * math.pi / 2.0) ** 2
    betas = np.minimum(1.0 - edges[1:] / edges[:-1], max_beta)
    return DiscreteSchedule(np.cumprod(1.0 - betas))


SCHEDULES = Registry(
    "noise schedule",
    {
        "linear": "morse.schedules.noise:linear",
        "scaled-linear": "morse.schedules.noise:scaled_linear",
        "cosine": "morse.schedules.noise:cosine",
        "vp-sde": "morse.schedules.noise:VPSDE",
    },
)
"""Name in a model card -> function of its settings that returns the schedule."""


def make_schedule(settings: Mapping[str, Any]) -> NoiseSchedule:
    """The schedule of a card: ``name``, one of :data:`SCHEDULES`, and its settings.

    Raises:
        UnknownName: for an unknown name.
        ValueError: for a setting that the schedule has not, or that it refuses.
    """
    options = {key: value for key, value in settings.items() if key != "name"}
    make = SCHEDULES[settings["name"]]
    require_known(f"setting of schedule {settings['name']}", options, inspect.signature(make).parameters)
    return make(**options)
