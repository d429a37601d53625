r"""The plan that spends a budget best, found without a data set: close to what Dash would do if time did not matter.

From the same noise, a deterministic sampler with ever more calls of Dash goes to one image. A plan is judged by how far its
images are from there,

.. math:: \mathrm{error} = \frac 1 B \sum_b \left( \frac 1 {CHW} \| x_b - x_b^{fine} \|^2 \right)^{1/2}

which needs few images, as all candidates start from the same noise. It is no measure of quality: a sample may differ and be as good.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from tqdm import tqdm

from morse.budget import MIN_MORSE_BUDGET, Plan, dash_plan, morse_plan
from morse.dash import Dash
from morse.predictors import DashOnly, DotFunction, Morse
from morse.samplers import Sampler
from morse.sampling import draw, trajectory
from morse.seeds import generator


@dataclass(frozen=True)
class Choice:
    """What :func:`choose_plan` found.

    Attributes:
        plan: the one of least error.
        errors: (calls of Dash, calls of Dot, error) of each candidate.
        seconds: what the choice cost.
    """

    plan: Plan
    errors: tuple[tuple[int, int, float], ...]
    seconds: float


def candidates(budget: int, ratio: float, shares: Sequence[float]) -> list[Plan]:
    """Dash alone, and the paper's plans with these shares of the budget for Dot, each plan once."""
    plans = [dash_plan(budget)]
    if budget >= MIN_MORSE_BUDGET:
        plans += [morse_plan(budget, ratio, share) for share in shares]
    return list({plan.dash: plan for plan in plans}.values())


def is_stochastic(sampler: Sampler) -> bool:
    """Whether any of its steps adds fresh noise."""
    return any(sampler.fresh_noise(index) for index in range(sampler.calls))


def choose_plan(
    dash: Dash,
    dot: DotFunction,
    sampler: Callable[[int], Sampler],
    plans: Sequence[Plan],
    images: int,
    fine_calls: int,
    seed: int,
    device: torch.device | str = "cpu",
) -> Choice:
    """The candidate whose images are nearest to a fine run of Dash.

    Args:
        sampler: number of calls -> a deterministic sampler.
        plans: the candidates.
        images: how many are compared, in one batch.
        fine_calls: of Dash in the run that is compared with; at least twice as many as any candidate's, better several times.
        seed: of the noise; apart from the seeds of runs that are measured.

    Raises:
        ValueError: for a stochastic sampler, whose runs of unlike lengths have no noise in common, or a fine run that is too short.
    """
    started = time.monotonic()
    longest = max(len(plan.dash) for plan in plans)
    if fine_calls < 2 * longest:
        raise ValueError(f"a fine run of {fine_calls} calls is not much finer than a candidate of {longest}; raise fine_calls")
    fine_sampler = sampler(fine_calls)
    if is_stochastic(fine_sampler):
        raise ValueError(f"{type(fine_sampler).__name__} is stochastic: its plan cannot be chosen by distance; use the policy 'paper'")

    def run(predictor: DashOnly | Morse, used: Sampler) -> Tensor:
        generators = [generator(seed, index) for index in range(images)]
        return trajectory(predictor, used, draw(generators, dash.shape, device), generators)

    fine = run(DashOnly(dash), fine_sampler)
    errors = []
    for plan in tqdm(plans, desc="plans", mininterval=2):
        made = run(Morse(dash, dot, plan), sampler(len(plan.dash)))
        errors.append((made - fine).square().mean(dim=(1, 2, 3)).sqrt().mean().item())
    best = min(range(len(plans)), key=errors.__getitem__)
    table = tuple((plan.dash_calls, plan.dot_calls, error) for plan, error in zip(plans, errors, strict=True))
    return Choice(plans[best], table, time.monotonic() - started)
