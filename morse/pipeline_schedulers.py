"""What Morse has to know of a scheduler of diffusers: whether it fits, and what noise it added."""

from __future__ import annotations

import copy
import inspect
import math
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from morse.samplers.lcm import boundary
from morse.schedules.noise import DiscreteSchedule

FIXED_STRIDE = ("DDIMScheduler", "DDIMParallelScheduler")
"""Schedulers whose step goes T // calls timesteps down, wherever the next timestep is."""

KNOWN_NOISE = ("DDPMScheduler", "DDIMScheduler", "LCMScheduler")
"""Schedulers whose fresh noise :func:`fresh_noise` can tell from the sample."""

USE = "use a scheduler of one call a step, such as DDIMScheduler.from_config(pipe.scheduler.config)"


def schedule_of(scheduler: Any) -> DiscreteSchedule:
    """The noise schedule of a scheduler.

    Raises:
        ValueError: one line, if the scheduler has none, or its network predicts something other
            than the noise.
    """
    name = type(scheduler).__name__
    if not hasattr(scheduler, "alphas_cumprod"):
        raise ValueError(f"{name} has no alphas_cumprod, so Morse does not know its noise; {USE}")
    if (kind := scheduler.config.get("prediction_type", "epsilon")) != "epsilon":
        raise ValueError(f"{name}: prediction_type is {kind!r}, and Dot corrects estimates of the noise alone")
    return DiscreteSchedule(scheduler.alphas_cumprod.double().cpu().numpy())


def check_scheduler(scheduler: Any, calls: int, given: list[float] | None = None) -> None:
    """Checks that a run of so many calls fits Morse.

    Args:
        given: the timesteps, if the caller gives them.

    Raises:
        ValueError: one line, for a scheduler that calls the network more than once for a timestep,
            that cannot take these uneven steps, or that adds noise of a kind not known.
    """
    name, trial = type(scheduler).__name__, copy.deepcopy(scheduler)
    trial.set_timesteps(**({"num_inference_steps": calls} if given is None else {"timesteps": given}))
    times = [float(time) for time in trial.timesteps]
    if len(times) != calls or any(s >= t for t, s in pairwise(times)):
        raise ValueError(f"{name} calls the network {len(times)} times in {calls} steps, some at one timestep; {USE}")
    stride = scheduler.config.num_train_timesteps // calls
    if name in FIXED_STRIDE and any(t - s != stride for t, s in pairwise(times)):
        uneven = f"{name} steps {stride} timesteps down, and its {calls} timesteps are not so far apart"
        raise ValueError(f"{uneven}; set timestep_spacing='leading', or a number of calls that divides the schedule")
    if name not in KNOWN_NOISE and _adds_noise(trial):
        raise ValueError(f"{name} adds noise, and Morse knows that of {', '.join(KNOWN_NOISE)} alone; {USE}")


def _adds_noise(scheduler: Any) -> bool:
    """Whether two first steps from one sample differ."""
    made = []
    for seed in (0, 1):
        trial, sample = copy.deepcopy(scheduler), torch.ones(1, 1, 8, 8)
        takes = "generator" in inspect.signature(trial.step).parameters
        rng = {"generator": torch.Generator().manual_seed(seed)} if takes else {}
        scaled = trial.scale_model_input(sample, trial.timesteps[0])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            made.append(trial.step(0.1 * scaled, trial.timesteps[0], sample, **rng, return_dict=False)[0])
    return not torch.equal(*made)


def fresh_noise(
    scheduler: Any,
    schedule: DiscreteSchedule,
    before: tuple[Tensor, Tensor, float],
    after: tuple[Tensor, float],
    eta: float,
) -> tuple[Tensor, float] | None:
    r"""The noise that a step added, as a fraction of sigma_s, told from the samples around it.

    A step goes to :math:`x_s = m + v n`, where the mean m follows from the sample and the estimate
    before. So :math:`n = (x_s - m) / v`.

    Args:
        before: x, eps (B, C, H, W) and the timestep t of the call before.
        after: x and the timestep s of this one.
        eta: of DDIM.

    Returns:
        (n, v / sigma_s), or None if the scheduler adds none.
    """
    name, (x, eps, t), (x_next, s) = type(scheduler).__name__, before, after
    x, eps, x_next = x.float(), eps.float(), x_next.float()
    sigma, alpha, sigma_next, alpha_next = schedule.sigma(t), schedule.alpha(t), schedule.sigma(s), schedule.alpha(s)
    clean = schedule.clean_estimate(x, eps, t)
    if name == "LCMScheduler":
        skip, out = boundary(scheduler.config.timestep_scaling * t)
        mean = alpha_next * (skip * x + out * clean)
        return (x_next - mean) / sigma_next, 1.0
    if name not in KNOWN_NOISE or (name == "DDIMScheduler" and not eta):
        return None
    if scheduler.config.get("clip_sample"):
        reach = scheduler.config.clip_sample_range
        clean = clean.clamp(-reach, reach)
    beta = schedule.beta(t, s)
    small = sigma_next / sigma * math.sqrt(beta)
    if name == "DDIMScheduler":
        v = eta * small
        mean = alpha_next * clean + math.sqrt(max(0.0, sigma_next**2 - v**2)) * eps
    else:
        v = math.sqrt(beta) if scheduler.config.variance_type.startswith("fixed_large") else small
        mean = (alpha_next * beta * clean + alpha / alpha_next * sigma_next**2 * x) / sigma**2
    return (x_next - mean) / v, v / sigma_next
