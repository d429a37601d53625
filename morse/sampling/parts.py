"""Parts of a run, made as often as one likes: for its images once, for its wall-clock in turn with
other methods (:mod:`morse.sampling.timing`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from morse.dash.base import Dash
from morse.dash.conditioning import Encoded, conditions_of
from morse.data.pixels import resized
from morse.experiments.cards import Card
from morse.methods import METHODS
from morse.methods.plans import Plan
from morse.runtime.execution import EXECUTIONS, Network
from morse.samplers import make_sampler
from morse.sampling.loop import batch_sizes, sample_shard
from morse.sampling.shards import Shard


def part_maker(
    dash: Dash,
    running: Mapping[str, Network],
    executions: Mapping[str, str],
    method: str,
    plan: Plan,
    sampler: Card,
    seed: int,
    first: int,
    count: int,
    batch_size: int,
    device: torch.device | str,
    caption: str | None,
    prompts: Encoded | None,
    guidance: float | None,
    size: int | None,
) -> Callable[..., Shard]:
    """A function that makes a part of a run, without its provenance, each time it is called.

    Its argument ``warm_up`` says whether batches whose time does not count come first. It is True
    unless stated.

    Args:
        running: network -> as it is executed (:func:`morse.runtime.execution.executable`).
        executions: how that is, by network.
        caption: of the progress bar; None: no bar.

    The other arguments are those of :func:`morse.sampling.run.run_part`.
    """
    predictor = METHODS[method].make_predictor(running, plan)
    repeats = max(EXECUTIONS[execution] for execution in executions.values())
    sizes = repeats * batch_sizes(count, batch_size) or [2]
    steps = make_sampler(sampler, dash.schedule, plan.nfe)
    conditions = conditions_of(dash, seed, device, prompts, guidance)

    def decode(samples: Tensor) -> Tensor:
        made = dash.decode(samples)
        return made if size is None else resized(made, size)

    def make(warm_up: bool = True) -> Shard:
        what = seed, first, count, batch_size, device, caption, sizes if warm_up else (), conditions, decode
        return replace(sample_shard(predictor, steps, dash.shape, *what), costs=plan.costs)

    return make
