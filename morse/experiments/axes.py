"""The experiments of a configuration -> the nodes of the benchmark: one for each (model, task, sampler, method, budget, seed)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import product
from typing import Any

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
