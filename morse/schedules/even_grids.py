r"""Grids of timesteps that are evenly spaced in a value: the log-SNR, the time, or its root.

They are DPM-Solver's (Lu et al. 2022, arXiv 2206.00927): "logSNR", "time_uniform" and
"time_quadratic". All end at the first timestep.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from morse.schedules.noise import DiscreteSchedule, NoiseSchedule

LEAST_LOG_SNR = -5.1
"""Where DPM-Solver's authors cut schedules that reach lower, as cosine ones do."""


def log_snr(schedule: NoiseSchedule, calls: int, first: float | None = None) -> list[float]:
    """Uniform in the log-SNR, from ``first`` (t_max) to t_min with both ends (one call: first)."""
    return _between(schedule, calls, "log-SNR", first, schedule.log_snr, schedule.time_of_log_snr)


def time_uniform(schedule: NoiseSchedule, calls: int, first: float | None = None) -> list[float]:
    """Uniform in time, with the same ends: DPM-Solver's "time_uniform", and the VP-SDE's own
    grid."""
    return _between(schedule, calls, "time-uniform", first, float, float)


def time_quadratic(schedule: NoiseSchedule, calls: int, first: float | None = None) -> list[float]:
    """Uniform in the square root of time, with the same ends: DPM-Solver's "time_quadratic".

    Time is measured from where no noise is left. So it is t + 1 for a schedule in training steps,
    T times DPM-Solver's (t + 1) / T.
    """
    zero = schedule.t_clean
    return _between(
        schedule, calls, "time-quadratic", first, lambda t: math.sqrt(t - zero), lambda root: root**2 + zero
    )


def log_snr_cut(schedule: NoiseSchedule, calls: int) -> list[float]:
    """:func:`log_snr` from the timestep that :func:`cut` gives."""
    return log_snr(schedule, calls, cut(schedule))


def time_uniform_cut(schedule: NoiseSchedule, calls: int) -> list[float]:
    """:func:`time_uniform` from the timestep that :func:`cut` gives."""
    return time_uniform(schedule, calls, cut(schedule))


def time_quadratic_cut(schedule: NoiseSchedule, calls: int) -> list[float]:
    """:func:`time_quadratic` from the timestep that :func:`cut` gives."""
    return time_quadratic(schedule, calls, cut(schedule))


def cut(schedule: NoiseSchedule) -> float:
    """The last timestep whose log-SNR is at least :data:`LEAST_LOG_SNR`, where DPM-Solver's authors
    start on cosine schedules. A whole one for a schedule in training steps.

    Our timesteps stay those that the network was trained with. The authors' code stretches the rest
    of the schedule over all labels, so a network hears 999.75 instead of 995.75.
    """
    if schedule.log_snr(schedule.t_max) >= LEAST_LOG_SNR:
        return schedule.t_max
    last = schedule.time_of_log_snr(LEAST_LOG_SNR)
    return math.floor(last) + 0.0 if isinstance(schedule, DiscreteSchedule) else last


def _between(
    schedule: NoiseSchedule,
    calls: int,
    name: str,
    first: float | None,
    value: Callable[[float], float],
    time: Callable[[float], float],
) -> list[float]:
    """``first``, the timesteps of evenly spaced values between, and t_min. The ends are exact.

    Args:
        first: None for t_max.
        value, time: from a timestep to the value that is evenly spaced, and back.
    """
    if calls < 1:
        raise ValueError(f"a {name} grid has at least one call, not {calls}")
    first, last = schedule.t_max if first is None else first, schedule.t_min
    inner = np.linspace(value(first), value(last), calls)[1:-1] if calls > 1 else []
    return [first, *(time(float(place)) for place in inner), *([last] if calls > 1 else [])]
