"""The axes of an experiment and the runs that they span.

There is one run for each (model, task, sampler, guidance, method, budget, seed). Guidance is the
scale of a text model, as text; runs of other models have none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import product
from typing import Any

AXES = ("model", "task", "sampler", "guidance", "method", "budget", "seed")
"""The axes that identify a run. They are also the first columns of the table of runs."""

CELL = tuple(axis for axis in AXES if axis not in ("method", "seed"))
"""The axes of runs that are timed together (:mod:`morse.sampling.timing`)."""

UNGUIDED = "none"
"""The guidance of a run of a model that takes none."""

Run = Mapping[str, Any]
"""Axis -> value."""


def guidance_text(scale: float | None) -> str:
    """A guidance scale as runs, paths and tables have it.

    >>> guidance_text(7.50), guidance_text(2), guidance_text(None)
    ('7.5', '2', 'none')
    """
    return UNGUIDED if scale is None else repr(float(scale)).removesuffix(".0")


def guidance_scale(text: str) -> float | None:
    """The reverse of :func:`guidance_text`."""
    return None if text == UNGUIDED else float(text)


BEST = "best"
"""The guidance of a curve that has, at each budget, the best of several scales."""


def curve_of(cell: Mapping[str, Any]) -> dict[str, Any]:
    """The curve that a cell of a claim or a figure names: axis -> value. Guidance may be left
    out."""
    where = {axis: cell[axis] for axis in ("model", "task", "sampler") if axis in cell}
    return where | ({"guidance": cell.get("guidance", UNGUIDED)} if "sampler" in cell else {})


def named(values: Iterable[Any]) -> str:
    """A run or curve in words: its values, without the guidance of an unguided one."""
    return " ".join(str(value) for value in values if value != UNGUIDED)


def runs_of(experiments: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The runs of experiments: the product of each one's lists (``models``, ``tasks``, ...).

    A run that several experiments name appears once. ``guidances`` may be left out.
    """
    runs = {}
    for experiment in experiments:
        scales = [guidance_text(scale) for scale in experiment.get("guidances", [None])]
        lists = {**experiment, "guidances": scales}
        for values in product(*(lists[f"{axis}s"] for axis in AXES)):
            runs.setdefault(values, dict(zip(AXES, values, strict=True)))
    return list(runs.values())


def path_pattern(axes: Iterable[str] = AXES) -> str:
    """The folders of a run's files, a wildcard for each axis: model={model}/task={task}/..."""
    return "/".join(f"{axis}={{{axis}}}" for axis in axes)


def methods_by_cell(runs: Iterable[Run]) -> dict[str, list[str]]:
    """The methods of runs that differ in method and seed alone, sorted.

    Returns:
        The folders of :data:`CELL`'s axes (:func:`path_pattern`) -> names of methods.
    """
    found: dict[str, set[str]] = {}
    for run in runs:
        found.setdefault(path_pattern(CELL).format(**run), set()).add(run["method"])
    return {cell: sorted(methods) for cell, methods in found.items()}


def run_of(wildcards: Mapping[str, Any]) -> dict[str, Any]:
    """The run that a path's wildcards name, with budget and seed as whole numbers."""
    return {axis: int(wildcards[axis]) if axis in ("budget", "seed") else wildcards[axis] for axis in AXES}


def cell_of(wildcards: Mapping[str, Any]) -> dict[str, Any]:
    """The cell that a path's wildcards name, with its budget as a whole number."""
    return {axis: int(wildcards[axis]) if axis == "budget" else wildcards[axis] for axis in CELL}


def first_seed_of(runs: Iterable[Run], model: str, task: str, sampler: str) -> list[Run]:
    """The runs of a curve at its smallest seed and first guidance scale, sorted by budget and
    method."""
    curve = [run for run in runs if (run["model"], run["task"], run["sampler"]) == (model, task, sampler)]
    first = min(run["seed"] for run in curve)
    shown = [run for run in curve if run["seed"] == first and run["guidance"] == curve[0]["guidance"]]
    return sorted(shown, key=lambda run: (run["budget"], run["method"]))
