"""The experiments of a configuration -> the nodes of the benchmark: one for each (model, task, sampler, method, budget, seed)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import product
from typing import Any

from morse.methods.plans import MIN_MORSE_BUDGET
from morse.registry import UnknownName, unknown
from morse.schedules.noise import DiscreteSchedule, make_schedule

AXES = ("model", "task", "sampler", "method", "budget", "seed")
METHODS = ("baseline", "morse")


def nodes(experiments: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The product of each experiment's lists (``models``, ``tasks``, ...); a node that several experiments name stands once."""
    found = {}
    for experiment in experiments:
        for values in product(*(experiment[f"{axis}s"] for axis in AXES)):
            found.setdefault(values, dict(zip(AXES, values, strict=True)))
    return list(found.values())


def path_pattern() -> str:
    """The folders of a node's files, with a wildcard for each axis: model={model}/task={task}/..."""
    return "/".join(f"{axis}={{{axis}}}" for axis in AXES)


def time_of(model: Mapping[str, Any]) -> str:
    """Whether a model's card has a schedule of "discrete" or "continuous" time."""
    return "discrete" if isinstance(make_schedule(model["schedule"]), DiscreteSchedule) else "continuous"


def check(chosen: Iterable[Mapping[str, Any]], cards: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> None:
    """Checks that all that nodes name exists and fits together.

    Snakemake must not be left to find out: an unknown key inside an input function makes it reuse stale results silently.

    Args:
        chosen: the nodes.
        cards: "model", "task" and "sampler" -> name -> card.

    Raises:
        ValueError: one line that names the value and the nearest known one.
    """
    for node in chosen:
        if fault := _fault(node, cards):
            raise ValueError(f"configuration: {fault}")


def _fault(node: Mapping[str, Any], cards: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str | None:
    for kind, known in {**cards, "method": METHODS}.items():
        if node[kind] not in known:
            return unknown(kind, node[kind], known)
    model, task = cards["model"][node["model"]], cards["task"][node["task"]]
    if node["task"] not in model["tasks"]:
        return f"model {node['model']!r} is not for task {node['task']!r}; its tasks: {', '.join(model['tasks'])}"
    if (made := model["unet"]["sample_size"]) != (size := task["data"]["size"]):
        return f"model {node['model']!r} makes images of {made}, task {node['task']!r} has {size}"
    try:
        needs, has = cards["sampler"][node["sampler"]].get("time"), time_of(model)
    except (UnknownName, TypeError, ValueError) as error:
        return f"model {node['model']!r}: schedule: {error}"
    if needs not in (None, has):
        return f"sampler {node['sampler']!r} is for {needs} time, model {node['model']!r} has {has} time; use another sampler"
    if node["method"] == "morse" and node["budget"] < MIN_MORSE_BUDGET:
        return f"budget {node['budget']} is too small for Morse; use {MIN_MORSE_BUDGET} LSD or more"
    return None
