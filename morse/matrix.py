"""The experiments of a configuration -> the nodes of the benchmark: one for each (model, task, sampler, method, budget, seed)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import product
from typing import Any

from morse.registry import unknown

AXES = ("model", "task", "sampler", "method", "budget", "seed")
METHODS = ("baseline", "morse")
MIN_MORSE_BUDGET = 2
"""LSD: one call of Dash and one LSD of Dot's."""


def nodes(experiments: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The product of each experiment's lists (``models``, ``tasks``, ...); a node that several experiments name stands once."""
    found = {}
    for experiment in experiments:
        for values in product(*(experiment[f"{axis}s"] for axis in AXES)):
            found.setdefault(values, dict(zip(AXES, values, strict=True)))
    return list(found.values())


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
        for kind, known in cards.items():
            if node[kind] not in known:
                raise ValueError(f"configuration: {unknown(kind, node[kind], known)}")
        if node["method"] not in METHODS:
            raise ValueError(unknown("method", node["method"], METHODS))
        model, task = cards["model"][node["model"]], cards["task"][node["task"]]
        if node["task"] not in model["tasks"]:
            raise ValueError(f"configuration: model {node['model']!r} is not for task {node['task']!r}; its tasks: {', '.join(model['tasks'])}")
        if model["unet"]["sample_size"] != task["data"]["size"]:
            raise ValueError(f"configuration: model {node['model']!r} makes images of {model['unet']['sample_size']}, task {node['task']!r} has {task['data']['size']}")
        if node["method"] == "morse" and node["budget"] < MIN_MORSE_BUDGET:
            raise ValueError(f"configuration: budget {node['budget']} is too small for Morse; use {MIN_MORSE_BUDGET} LSD or more")
