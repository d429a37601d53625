r"""Timestep grids: the timesteps at which a sampler calls the network, for a given NFE.

Every grid has exactly as many timesteps as calls, strictly decreasing. Some original grids have
more, or repeat a timestep. They are here under their own names (``ddim-uniform``,
``ddim-quadratic``, ``compvis``), for the numbers of calls that they can make.
"""

from __future__ import annotations

import math
from itertools import accumulate

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


def leading_offset(schedule: NoiseSchedule, calls: int) -> list[float]:
    """``i (T // calls) + 1``: diffusers' ``timestep_spacing="leading"`` with ``steps_offset=1``, as
    Stable Diffusion has it. Its run ends with ``end="abar_0"``.

    Raises:
        ValueError: for T calls or more, or fewer than one.
    """
    total = training_steps(schedule, "leading-offset")
    _check(calls, total - 1, total, "leading-offset")
    return [float(i * (total // calls) + 1) for i in reversed(range(calls))]


def uniform_offset(schedule: NoiseSchedule, calls: int) -> list[float]:
    """``i T // calls + 1``: :func:`compvis` for any number of calls, as :func:`uniform` is of the
    DDIM authors' grid. Its run ends with ``end="abar_0"``.

    Raises:
        ValueError: for more calls than T / 2, or fewer than one.
    """
    total = training_steps(schedule, "uniform-offset")
    _check(calls, total // 2, total, "uniform-offset")
    return [float(i * total // calls + 1) for i in reversed(range(calls))]


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
    return _strided(training_steps(schedule, "ddim-uniform"), calls, "ddim-uniform", offset=0)


def compvis(schedule: NoiseSchedule, calls: int) -> list[float]:
    """``range(0, T, T // S) + 1``: the grid of CompVis' DDIM, for latent diffusion and Stable
    Diffusion. Its run ends with ``end="abar_0"``.

    Raises:
        ValueError: if no S gives so many timesteps, or the last one would be T.
    """
    return _strided(training_steps(schedule, "compvis"), calls, "compvis", offset=1)


def _strided(total: int, calls: int, name: str, offset: int) -> list[float]:
    """``range(0, total, total // S) + offset``, with the largest S that gives ``calls``
    timesteps."""
    _check(calls, total, total, name)
    for steps in range(calls, calls // 2, -1):
        times = range(offset, total + offset, total // steps)
        if len(times) == calls and times[-1] < total:
            return [float(t) for t in reversed(times)]
    near = "uniform" if offset == 0 else "leading"
    raise ValueError(f"the grid {name} never has {calls} times over {total} steps; use the grid {near!r}")


def openai(schedule: NoiseSchedule, calls: int) -> list[float]:
    """OpenAI's respacing "N": a fractional stride of (T - 1) / (N - 1), rounded, with both 0 and
    T - 1 (Nichol & Dhariwal 2021, arXiv 2102.09672, section 4). One call is at 0, as there.

    A place half-way between two timesteps is rounded to the even one.
    """
    total = training_steps(schedule, "openai")
    _check(calls, total, total, "openai")
    stride = (total - 1) / (calls - 1) if calls > 1 else 1.0
    # Strides are added up as in the original: where a place is near a half, rounding decides.
    places = accumulate([stride] * (calls - 1), initial=0.0)
    return [float(round(place)) for place in places][::-1]


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


GRIDS = Registry(
    "time grid",
    {
        "uniform": "morse.schedules.grids:uniform",
        "leading": "morse.schedules.grids:leading",
        "leading-offset": "morse.schedules.grids:leading_offset",
        "uniform-offset": "morse.schedules.grids:uniform_offset",
        "trailing": "morse.schedules.grids:trailing",
        "quadratic": "morse.schedules.grids:quadratic",
        "log-snr": "morse.schedules.even_grids:log_snr",
        "time-uniform": "morse.schedules.even_grids:time_uniform",
        "time-quadratic": "morse.schedules.even_grids:time_quadratic",
        "log-snr-cut": "morse.schedules.even_grids:log_snr_cut",
        "time-uniform-cut": "morse.schedules.even_grids:time_uniform_cut",
        "time-quadratic-cut": "morse.schedules.even_grids:time_quadratic_cut",
        "openai": "morse.schedules.grids:openai",
        "compvis": "morse.schedules.grids:compvis",
        "ays-sd": "morse.schedules.align_your_steps:ays_sd",
        "ays-sdxl": "morse.schedules.align_your_steps:ays_sdxl",
        "ddim-uniform": "morse.schedules.grids:ddim_uniform",
        "ddim-quadratic": "morse.schedules.grids:ddim_quadratic",
    },
)
"""Name in a sampler's options -> function (schedule, calls) that returns the timesteps, from noise
to data."""
