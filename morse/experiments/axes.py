"""The axes of an experiment and the runs that they span.

There is one run for each (model, task, sampler, method, budget, seed).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import product
from typing import Any

AXES = ("model", "task", "sampler", "method", "budget", "seed")
"""The axes that identify a run. They are also the first columns of the table of runs."""

Run = Mapping[str, Any]
"""Axis -> value."""


def runs_of(experiments: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The runs of experiments: the product of each one's lists (``models``, ``tasks``, ...).

    A run that several experiments name appears once.
    """
    runs = {}
    for experiment in experiments:
        for values in product(*(experiment[f"{axis}s"] for axis in AXES)):
            runs.setdefault(values, dict(zip(AXES, values, strict=True)))
    return list(runs.values())


def path_pattern() -> str:
    """The folders of a run's files, a wildcard for each axis: model={model}/task={task}/..."""
    return "/".join(f"{axis}={{{axis}}}" for axis in AXES)


def run_of(wildcards: Mapping[str, Any]) -> dict[str, Any]:
    """The run that a path's wildcards name, with budget and seed as whole numbers."""
    return {axis: int(wildcards[axis]) if axis in ("budget", "seed") else wildcards[axis] for axis in AXES}


def first_seed_of(runs: Iterable[Run], model: str, task: str, sampler: str) -> list[Run]:
    """The runs of a curve at its smallest seed, sorted by budget and method."""
    curve = [run for run in runs if (run["model"], run["task"], run["sampler"]) == (model, task, sampler)]
    first = min(run["seed"] for run in curve)
    return sorted((run for run in curve if run["seed"] == first), key=lambda run: (run["budget"], run["method"]))
