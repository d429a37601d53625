"""Align-Your-Steps: timesteps that its authors found for Stable Diffusion (Sabour et al. 2024,
arXiv 2404.14507)."""

from __future__ import annotations

import numpy as np

from morse.schedules.grids import training_steps
from morse.schedules.noise import NoiseSchedule

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
