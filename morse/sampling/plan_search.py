r"""Policy ``auto``: a search, without a data set, for the plan that spends a budget best.

With more and more calls of Dash, a deterministic sampler turns the same noise into the same image.
A fine run, of many calls, is close to that image. A plan is judged by the distance of its images to
those of the fine run,

.. math:: \mathrm{error} = \frac 1 B \sum_b
    \left( \frac 1 {CHW} \| x_b - x_b^{fine} \|^2 \right)^{1/2}.

This needs few images, as all candidates start from the same noise. It does not measure quality: a
different image may be as good. Stochastic samplers have no such fine run; their plans follow the
policy ``paper``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from morse.dash.base import Dash
from morse.dash.conditioning import Encoded, conditions_of
from morse.experiments.axes import guidance_scale
from morse.files import open_npz, read_json, write_json, write_npz
from morse.methods.base import DotFunction, Predictor
from morse.methods.baseline import Baseline
from morse.methods.morse import Morse
from morse.methods.plans import MIN_BUDGET_WITH_DOT, Plan, baseline_plan, paper_plan
from morse.samplers.base import Sampler
from morse.sampling.loop import draw, trajectory
from morse.sampling.prompts import load_prompts
from morse.seeds import generator

PLANNING_SEED = 1_000_000
"""Seed of the noise that plans are tried on, apart from the seeds of runs."""


@dataclass(frozen=True)
class Choice:
    """The result of :func:`choose_plan`.

    Attributes:
        plan: the candidate with the least error.
        errors: (the plan's letters, its error) of each candidate.
        seconds: what the choice took, without the fine run.
    """

    plan: Plan
    errors: tuple[tuple[str, float], ...]
    seconds: float


def candidates(budget: int, ratio: float, shares: Sequence[float], leans: Sequence[float] = (1.0,)) -> list[Plan]:
    """The candidates for a budget: the baseline's plan, and paper plans; each plan once.

    Args:
        shares: fractions of the budget for Dot.
        leans: of :func:`morse.methods.plans.interleave`.
    """
    plans = [baseline_plan(budget)]
    if budget >= MIN_BUDGET_WITH_DOT:
        plans += [paper_plan(budget, ratio, share, lean) for share in shares for lean in leans]
    return list({plan.letters: plan for plan in plans}.values())


Text = tuple[Encoded | None, float | None]
"""The encoded prompts and the guidance scale of a text model."""
NO_TEXT: Text = (None, None)


def batch_of(
    predictor: Predictor, sampler: Sampler, dash: Dash, images: int, seed: int, device: Any, text: Text
) -> Tensor:
    """The first images of a run, as the sampler leaves them: (images, C, H, W)."""
    generators = [generator(seed, index) for index in range(images)]
    cond = conditions_of(dash, seed, device, *text)(range(images))
    return trajectory(predictor, sampler, draw(generators, dash.shape, device), generators, cond)


def fine_run(
    dash: Dash, sampler: Sampler, images: int, seed: int, device: torch.device | str = "cpu", text: Text = NO_TEXT
) -> Tensor:
    """Images of Dash alone with many calls, (images, C, H, W).

    The plans of all budgets are compared with them.

    Raises:
        ValueError: for a stochastic sampler: its runs of different lengths have no noise in common.
    """
    if sampler.stochastic:
        raise ValueError(
            f"{type(sampler).__name__} is stochastic: its plan cannot be chosen by distance; use the policy 'paper'"
        )
    return batch_of(Baseline(dash), sampler, dash, images, seed, device, text)


def choose_plan(
    dash: Dash,
    dot: DotFunction,
    sampler: Callable[[int], Sampler],
    plans: Sequence[Plan],
    fine: Tensor,
    seed: int,
    text: Text = NO_TEXT,
) -> Choice:
    """The candidate whose images are nearest to a fine run of Dash.

    Args:
        sampler: number of calls -> a deterministic sampler. A candidate that it refuses is left
            out.
        plans: the candidates.
        fine: the images of :func:`fine_run`. It should have at least twice the calls of any
            candidate, or better several times as many.
        seed: that of the fine run.

    Raises:
        ValueError: if the sampler refuses every candidate.
    """
    started = time.monotonic()
    table: list[tuple[Plan, float]] = []
    for plan in tqdm(plans, desc="plans", mininterval=2):
        try:
            used = sampler(plan.nfe)
        except ValueError as error:
            refused = error
            continue
        images = batch_of(Morse(dash, dot, plan), used, dash, len(fine), seed, fine.device, text)
        table.append((plan, (images - fine).square().mean(dim=(1, 2, 3)).sqrt().mean().item()))
    if not table:
        raise ValueError(f"no plan is left: {refused}")
    best = min(table, key=lambda row: row[1])[0]
    return Choice(best, tuple((plan.letters, error) for plan, error in table), time.monotonic() - started)


def save_fine_run(
    dash: Dash,
    sampler: Sampler,
    images: int,
    path: Path | str,
    device: torch.device | str = "cpu",
    text: Text = NO_TEXT,
) -> None:
    """Makes a fine run and writes its images; for a stochastic sampler there are none."""
    started = time.monotonic()
    fine = [] if sampler.stochastic else fine_run(dash, sampler, images, PLANNING_SEED, device, text).cpu().numpy()
    write_npz(path, compress=True, images=np.asarray(fine), seconds=time.monotonic() - started)


def save_choice(
    dash: Dash,
    dot: DotFunction,
    sampler: Callable[[int], Sampler],
    budget: int,
    ratio: float,
    auto: Mapping[str, Any],
    paper: Mapping[str, Any],
    fine: Path | str,
    path: Path | str,
    device: torch.device | str = "cpu",
    text: Text = NO_TEXT,
) -> None:
    """Chooses the plan of a budget by a fine run, and writes the choice.

    If the fine run has no images, it is the paper's plan.

    Args:
        auto: ``shares`` and ``leans`` of the candidates.
        paper: settings of the policy ``paper``.
        fine: the file of :func:`save_fine_run`.
        path: the JSON file, which :func:`read_choice` reads.
    """
    with open_npz(fine, "fine run", "delete it and run again") as arrays:
        images, fine_seconds = torch.from_numpy(arrays["images"]), float(arrays["seconds"])
    if len(images):
        plans = candidates(budget, ratio, auto["shares"], auto["leans"])
        choice = choose_plan(dash, dot, sampler, plans, images.to(device), PLANNING_SEED, text)
    else:
        choice = Choice(paper_plan(budget, ratio, **paper), (), 0.0)
    tried = [{"plan": letters, "error": error} for letters, error in choice.errors]
    cost = {"seconds": choice.seconds, "fine_run_seconds": fine_seconds}
    write_json({"plan": choice.plan.letters, "ratio": ratio, "candidates": tried} | cost, path)


def text_of(prompts: Path | str | None, guidance: str) -> Text:
    """The text of a search, from the file of encoded prompts and the guidance of its runs."""
    return (load_prompts(prompts), guidance_scale(guidance)) if prompts else NO_TEXT


def read_choice(path: Path | str) -> str:
    """The letters of the plan that :func:`save_choice` wrote."""
    return read_json(path, {"plan": str})["plan"]
