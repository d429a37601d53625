r"""Timestep grids: the timesteps at which a sampler calls the network, for a given NFE.

Every grid has exactly as many timesteps as calls, strictly decreasing. Some original grids have
more, or repeat a timestep. They are here under their own names (``ddim-uniform``,
``ddim-quadratic``), for the numbers of calls that they can make.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from morse.registry import Registry
from morse.schedules.noise import DiscreteSchedule, NoiseSchedule

DDIM_END = 0.8
"""The fraction of the schedule that DDIM's quadratic grid spans: its authors start CIFAR-10 at
t = 800 of 1000."""


def training_steps(schedule: NoiseSchedule, name: str) -> int:
    """T, the number of training steps. Raises ValueError for a schedule in continuous time."""
    if not isinstance(schedule, DiscreteSchedule):
        raise ValueError(
            f"a {name} grid counts training steps, which a schedule in continuous time has not; "
            f"use the grid 'time-uniform'"
        )
    return schedule.num_train_timesteps


def _check(calls: int, most: int, total: int, name: str) -> None:
    if not 1 <= calls <= most:
        raise ValueError(f"a {name} grid over {total} steps has 1 to {most} calls, not {calls}")


def uniform(schedule: NoiseSchedule, calls: int) -> list[float]:
    """``i T // calls`` for i = calls - 1 ... 0: the DDIM authors' grid if ``calls`` divides T.

    Otherwise it still starts within one stride of T. The authors' ``range(0, T, T // S)`` then has
    more than S timesteps, and the first S of them (:func:`leading`) start too late. With 130 calls
    they start at t = 903: the network expects a trace of the image there, and gets pure noise. One
    call is at 0, as in the original.

    Raises:
        ValueError: for more calls than T, or fewer than one.
    """
    total = training_steps(schedule, "uniform")
    _check(calls, total, total, "uniform")
    return [float(i * total // calls) for i in reversed(range(calls))]


def leading(schedule: NoiseSchedule, calls: int) -> list[float]:
    """``i (T // calls)``: diffusers' ``timestep_spacing="leading"`` without offset.

    It equals :func:`uniform` if ``calls`` divides T.
    """
    total = training_steps(schedule, "leading")
    _check(calls, total, total, "leading")
    return [float(i * (total // calls)) for i in reversed(range(calls))]


def trailing(schedule: NoiseSchedule, calls: int) -> list[float]:
    """``round(T - i T / calls) - 1``: diffusers' ``timestep_spacing="trailing"``, from T - 1 down.

    It ends at 0 only with more than 2 T / 3 calls. Sampling starts from pure noise, and only T - 1
    is near that (Lin et al. 2024, arXiv 2305.08891, section 3.3).
    """
    total = training_steps(schedule, "trailing")
    _check(calls, total, total, "trailing")
    return [float(np.round(total - i * total / calls) - 1) for i in range(calls)]


def quadratic(schedule: NoiseSchedule, calls: int) -> list[float]:
    """DDIM's grid for CIFAR-10, ``int(linspace(0, sqrt(0.8 T), calls) ** 2)``.

    It goes from 0.8 T down to 0, dense near the data (Song et al. 2021, arXiv 2010.02502, appendix
    D.2). Duplicates are shifted up to the next free timestep.
    """
    total = training_steps(schedule, "quadratic")
    end = DDIM_END * total
    _check(calls, int(end) + 1, total, "quadratic")
    if calls == 1:  # linspace would ask at 0, where there is nothing to estimate
        return [float(int(end))]
    times: list[float] = []
    for time in _quadratic(end, calls):
        times.append(max(time, times[-1] + 1.0) if times else time)
    return times[::-1]


def _quadratic(end: float, calls: int) -> list[float]:
    return [float(int(square)) for square in np.linspace(0.0, math.sqrt(end), calls) ** 2]


def ddim_uniform(schedule: NoiseSchedule, calls: int) -> list[float]:
    """The DDIM authors' ``range(0, T, T // S)``, with the largest S that gives ``calls`` timesteps.

    Raises:
        ValueError: if no S gives so many, such as 6 for T = 1000, where S = 6 gives 7.
    """
    total = training_steps(schedule, "ddim-uniform")
    _check(calls, total, total, "ddim-uniform")
    for steps in range(calls, calls // 2, -1):
        times = range(0, total, total // steps)
        if len(times) == calls:
            return [float(t) for t in reversed(times)]
    raise ValueError(
        f"the DDIM authors' uniform grid never has {calls} times over {total} steps; use the grid 'uniform'"
    )


def ddim_quadratic(schedule: NoiseSchedule, calls: int) -> list[float]:
    """The DDIM authors' quadratic grid, unchanged.

    Raises:
        ValueError: if a timestep appears twice: its second call changes nothing.
    """
    total = training_steps(schedule, "ddim-quadratic")
    end = DDIM_END * total
    _check(calls, int(end) + 1, total, "ddim-quadratic")
    times = _quadratic(end, calls)
    if twice := sorted({t for t in times if times.count(t) > 1}):
        raise ValueError(
            f"the DDIM authors' quadratic grid of {calls} times has {twice[0]:g} twice; use the grid 'quadratic'"
        )
    return times[::-1]


def log_snr(schedule: NoiseSchedule, calls: int) -> list[float]:
    """Uniform in the log-SNR, from t_max to t_min with both ends (one call: t_max)."""
    low, high = schedule.log_snr(schedule.t_max), schedule.log_snr(schedule.t_min)
    return _between(schedule, calls, "log-SNR", low, high, schedule.time_of_log_snr)


def time_uniform(schedule: NoiseSchedule, calls: int) -> list[float]:
    """Uniform in time, from t_max to t_min with both ends: DPM-Solver's "time_uniform", and the
    VP-SDE's own grid."""
    return _between(schedule, calls, "time-uniform", schedule.t_max, schedule.t_min, float)


def time_quadratic(schedule: NoiseSchedule, calls: int) -> list[float]:
    """Uniform in the square root of time, with the same ends: DPM-Solver's "time_quadratic"."""
    return _between(
        schedule, calls, "time-quadratic", math.sqrt(schedule.t_max), math.sqrt(schedule.t_min), lambda root: root**2
    )


def _between(
    schedule: NoiseSchedule, calls: int, name: str, start: float, stop: float, time: Callable[[float], float]
) -> list[float]:
    """t_max, the timesteps of evenly spaced values between ``start`` and ``stop``, and t_min. The
    ends are exact."""
    if calls < 1:
        raise ValueError(f"a {name} grid has at least one call, not {calls}")
    inner = np.linspace(start, stop, calls)[1:-1] if calls > 1 else []
    return [schedule.t_max, *(time(float(value)) for value in inner), *([schedule.t_min] if calls > 1 else [])]


ALIGN_YOUR_STEPS = {
    "ays-sd": (
        (999, 850, 736, 645, 545, 455, 343, 233, 124, 24),
        (14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152, 0.029),
    ),
    "ays-sdxl": (
        (999, 845, 730, 587, 443, 310, 193, 116, 53, 13),
        (14.615, 6.315, 3.771, 2.181, 1.342, 0.862, 0.555, 0.380, 0.234, 0.113, 0.029),
    ),
}
"""The authors' ten timesteps, and their eleven values of sigma / alpha between which ten steps go,
for Stable Diffusion 1.5 and XL (Sabour et al. 2024, arXiv 2404.14507, table 3, and its page)."""


def _align_your_steps(name: str, schedule: NoiseSchedule, calls: int) -> list[float]:
    """The published timesteps. For n calls other than ten, as the authors' how-to extends them: the
    eleven values are interpolated linearly in the logarithm to n + 1, and the last becomes 0."""
    times, sigmas = ALIGN_YOUR_STEPS[name]
    if (total := training_steps(schedule, "Align-Your-Steps")) != 1000:
        raise ValueError(f"Align-Your-Steps' times are of 1000 steps, not {total}")
    if calls < 1:
        raise ValueError(f"Align-Your-Steps makes at least one call, not {calls}")
    if calls == len(times):
        return [float(t) for t in times]
    places = np.linspace(0.0, len(sigmas) - 1.0, calls + 1)[1:-1]
    log_sigmas = np.interp(places, np.arange(len(sigmas)), np.log(sigmas))
    return [float(times[0]), *(schedule.time_of_log_snr(-value) for value in log_sigmas)]


def ays_sd(schedule: NoiseSchedule, calls: int) -> list[float]:
    """Align-Your-Steps for Stable Diffusion 1.5."""
    return _align_your_steps("ays-sd", schedule, calls)


def ays_sdxl(schedule: NoiseSchedule, calls: int) -> list[float]:
    """Align-Your-Steps for Stable Diffusion XL."""
    return _align_your_steps("ays-sdxl", schedule, calls)


GRIDS = Registry(
    "time grid",
    {
        "uniform": "morse.schedules.grids:uniform",
        "leading": "morse.schedules.grids:leading",
        "trailing": "morse.schedules.grids:trailing",
        "quadratic": "morse.schedules.grids:quadratic",
        "log-snr": "morse.schedules.grids:log_snr",
        "time-uniform": "morse.schedules.grids:time_uniform",
        "time-quadratic": "morse.schedules.grids:time_quadratic",
        "ays-sd": "morse.schedules.grids:ays_sd",
        "ays-sdxl": "morse.schedules.grids:ays_sdxl",
        "ddim-uniform": "morse.schedules.grids:ddim_uniform",
        "ddim-quadratic": "morse.schedules.grids:ddim_quadratic",
    },
)
"""Name in a sampler's options -> function (schedule, calls) that returns the timesteps, from noise
to data."""
