"""Published noise schedules by name, as cards of models name them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from morse.options import check_options
from morse.registry import Registry
from morse.schedules.noise import DiscreteSchedule, NoiseSchedule


def linear(num_train_timesteps: int = 1000, beta_start: float = 1e-4, beta_end: float = 0.02) -> DiscreteSchedule:
    """DDPM's schedule: beta linear in t (Ho et al. 2020, arXiv 2006.11239, section 4)."""
    betas = np.linspace(beta_start, beta_end, num_train_timesteps, dtype=np.float64)
    return DiscreteSchedule(np.cumprod(1.0 - betas))


def scaled_linear(
    num_train_timesteps: int = 1000, beta_start: float = 0.00085, beta_end: float = 0.012
) -> DiscreteSchedule:
    """LDM's schedule: sqrt(beta) linear in t (Rombach et al. 2022, arXiv 2112.10752)."""
    betas = np.linspace(math.sqrt(beta_start), math.sqrt(beta_end), num_train_timesteps, dtype=np.float64) ** 2
    return DiscreteSchedule(np.cumprod(1.0 - betas))


def cosine(num_train_timesteps: int = 4000, max_beta: float = 0.999) -> DiscreteSchedule:
    """Improved DDPM's schedule: alpha_bar is a squared cosine, each beta at most ``max_beta``
    (Nichol & Dhariwal 2021, arXiv 2102.09672)."""
    edges = np.cos((np.arange(num_train_timesteps + 1) / num_train_timesteps + 0.008) / 1.008 * math.pi / 2.0) ** 2
    betas = np.minimum(1.0 - edges[1:] / edges[:-1], max_beta)
    return DiscreteSchedule(np.cumprod(1.0 - betas))


SCHEDULES = Registry(
    "noise schedule",
    {
        "linear": "morse.schedules.presets:linear",
        "scaled-linear": "morse.schedules.presets:scaled_linear",
        "cosine": "morse.schedules.presets:cosine",
        "vp-sde": "morse.schedules.noise:VPSDE",
    },
)
"""Name in a model card -> function of its settings that returns the schedule."""


def make_schedule(settings: Mapping[str, Any]) -> NoiseSchedule:
    """The schedule of a card: ``name``, one of :data:`SCHEDULES`, and its settings.

    Raises:
        UnknownName: for an unknown name.
        ValueError: for an unknown or invalid setting.
    """
    options = {key: value for key, value in settings.items() if key != "name"}
    make = SCHEDULES[settings["name"]]
    check_options(f"setting of schedule {settings['name']}", options, make)
    return make(**options)
