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

from morse.dash.base import Dash
from morse.methods.base import DotFunction
from morse.methods.baseline import DashOnly
from morse.methods.morse import Morse
from morse.methods.plans import MIN_MORSE_BUDGET, Plan, dash_plan, morse_plan
from morse.samplers.base import Sampler
from morse.sampling.loop import draw, trajectory
from morse.seeds import generator


@dataclass(frozen=True)
class Choice:
    """What :func:`choose_plan` found.

    Attributes:
        plan: the one of least error.
        errors: (the plan's letters, its error) of each candidate.
        seconds: what the choice cost, without the fine run.
    """

    plan: Plan
    errors: tuple[tuple[str, float], ...]
    seconds: float


def candidates(budget: int, ratio: float, shares: Sequence[float], leans: Sequence[float] = (1.0,)) -> list[Plan]:
    """Dash alone, and plans with these shares of the budget for Dot and these leans of Dash's places, each plan once."""
    plans = [dash_plan(budget)]
    if budget >= MIN_MORSE_BUDGET:
        plans += [morse_plan(budget, ratio, share, lean) for share in shares for lean in leans]
    return list({plan.dash: plan for plan in plans}.values())


def _run(predictor: DashOnly | Morse, sampler: Sampler, shape: Sequence[int], images: int, seed: int, device: torch.device | str) -> Tensor:
    generators = [generator(seed, index) for index in range(images)]
    return trajectory(predictor, sampler, draw(generators, shape, device), generators)


def fine_run(dash: Dash, sampler: Sampler, images: int, seed: int, device: torch.device | str = "cpu") -> Tensor:
    """(images, C, H, W): what Dash makes with many calls; the plans of all budgets are compared with it.

    Raises:
        ValueError: for a stochastic sampler, whose runs of unlike lengths have no noise in common.
    """
    if sampler.stochastic:
        raise ValueError(f"{type(sampler).__name__} is stochastic: its plan cannot be chosen by distance; use the policy 'paper'")
    return _run(DashOnly(dash), sampler, dash.shape, images, seed, device)


def choose_plan(
    dash: Dash,
    dot: DotFunction,
    sampler: Callable[[int], Sampler],
    plans: Sequence[Plan],
    fine: Tensor,
    seed: int,
) -> Choice:
    """The candidate whose images are nearest to a fine run of Dash.

    Args:
        sampler: number of calls -> a deterministic sampler. A candidate that it refuses is left out.
        plans: the candidates.
        fine: the images of :func:`fine_run`, of at least twice as many calls as any candidate has, better several times as many.
        seed: that of the fine run; apart from the seeds of runs that are measured.

    Raises:
        ValueError: if the sampler refuses every candidate.
    """
    started = time.monotonic()
    table: list[tuple[Plan, float]] = []
    for plan in tqdm(plans, desc="plans", mininterval=2):
        try:
            used = sampler(len(plan.dash))
        except ValueError as error:
            refused = error
            continue
        made = _run(Morse(dash, dot, plan), used, dash.shape, len(fine), seed, fine.device)
        table.append((plan, (made - fine).square().mean(dim=(1, 2, 3)).sqrt().mean().item()))
    if not table:
        raise ValueError(f"no plan is left: {refused}")
    best = min(table, key=lambda row: row[1])[0]
    return Choice(best, tuple((plan.letters, error) for plan, error in table), time.monotonic() - started)


PLANNING_SEED = 1_000_000
"""Of the noise that plans are tried on; apart from the seeds of runs."""
