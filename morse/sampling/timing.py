r"""Wall-clock of whole runs, by making one batch with each method in turn: A B A B ...

Runs of a benchmark are made minutes or hours apart, and a machine's speed drifts by a tenth
meanwhile. Here a round makes the batch once with each method. A drift changes all seconds of a
round alike. So it cancels in the ratio within the round,

.. math::
    r_k = \mathrm{seconds}_k(\mathrm{method}) / \mathrm{seconds}_k(\mathrm{baseline}).

The ratio is the median over the rounds. Its interval is that of :mod:`morse.runtime.latency`. A
batch is made as a run makes it (:func:`morse.sampling.parts.part_maker`). The same seconds count,
those of sampling and decoding.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from morse.data.parts import bounds
from morse.experiments.axes import guidance_scale
from morse.experiments.cards import Card
from morse.methods import BASELINE, METHODS
from morse.methods import networks_of as needed_networks
from morse.runtime.execution import executable
from morse.runtime.latency import ratios
from morse.sampling.parts import part_maker
from morse.sampling.prompts import load_prompts
from morse.sampling.run import load_pair, networks_of, nominal_ratio, plan_of
from morse.sampling.shards import Shard

SEED = 0
"""Of the noise, which is the same for all methods and rounds."""


def in_turn(make: Mapping[str, Callable[[bool], Shard]], rounds: int, caption: str = "timing") -> dict[str, Any]:
    """Makes a batch with each method in turn, once before the clock starts and then ``rounds``
    times.

    Args:
        make: method -> a function of :func:`morse.sampling.parts.part_maker`.
        caption: of the progress bar.

    Returns:
        Method -> its ``plan`` as letters; ``seconds`` and of these the ``decoding`` seconds, a
        number for each round; ``ratio``, ``ratio_low`` and ``ratio_high``, None if the baseline is
        none of the methods.
    """
    for one in make.values():
        one(True)
    made: dict[str, list[Shard]] = {name: [] for name in make}
    for _ in tqdm(range(rounds), desc=caption, unit="round", mininterval=2):
        for name, one in make.items():
            made[name].append(one(False))
    seconds = {name: [shard.seconds for shard in shards] for name, shards in made.items()}
    by_round = [dict(zip(seconds, one, strict=True)) for one in zip(*seconds.values(), strict=True)]
    unknown = dict.fromkeys(make, (None, (None, None)))
    found = ratios(by_round, BASELINE) if BASELINE in make else unknown
    return {
        name: {
            "plan": shards[0].letters,
            "seconds": seconds[name],
            "decoding": [shard.decoding for shard in shards],
            "ratio": found[name][0],
            "ratio_low": found[name][1][0],
            "ratio_high": found[name][1][1],
        }
        for name, shards in made.items()
    }


def time_runs(
    cell: Mapping[str, Any],
    card: Card,
    sampler: Card,
    methods: Mapping[str, Mapping[str, Any]],
    rounds: int,
    images: int,
    shards: int,
    batch_size: int,
    device: torch.device | str,
    executions: Mapping[str, str],
    dot: Path | str | None = None,
    chosen: Mapping[str, Path | str] | None = None,
    prompts: Path | str | None = None,
    size: int | None = None,
) -> dict[str, Any]:
    """The wall-clock of the runs of a cell: all methods of one model, task, sampler, guidance and
    budget.

    Args:
        cell: axis of :data:`morse.experiments.axes.CELL` -> value.
        card: the model's, of the networks that the methods need.
        methods: name -> its settings, of :func:`morse.experiments.cards.method_view`.
        images, shards, batch_size: of the runs. The batch that is timed is the first one of such a
            run.
        executions: network -> how it runs.
        dot: the prepared file, if a method needs Dot.
        chosen: method -> the file of its plan, where the policy searches for one.
        prompts, size: as for :func:`morse.sampling.run.run_shard`.

    Returns:
        ``images`` of the batch, ``execution`` by network, and ``methods``, as of :func:`in_turn`.
    """
    names = needed_networks(methods)
    dash, loaded = load_pair(card, names, dot, device)
    # Runs of Dash alone have a Dash of their own if Dot takes more than its estimate.
    alone, both = networks_of(dash, None), networks_of(dash, loaded)
    running = {id(one): executable(one, executions[name], device) for name, one in (*alone.items(), *both.items())}
    first, count = bounds(images, shards, 0)
    count = min(count, batch_size)
    text = load_prompts(prompts) if prompts else None, guidance_scale(cell["guidance"])
    make = {}
    for method, settings in methods.items():
        networks = both if "dot" in METHODS[method].networks else alone
        run = {name: running[id(one)] for name, one in networks.items()}
        own = {name: executions[name] for name in networks}
        plan = plan_of(method, cell["budget"], nominal_ratio(card), settings, (chosen or {}).get(method))
        batch = SEED, first, count, count, device, None
        make[method] = part_maker(dash, run, own, method, plan, sampler, *batch, *text, size)
    caption = f"{cell['model']} {cell['sampler']} {cell['budget']} LSD, {' and '.join(methods)} in turn"
    used = {name: executions[name] for name in names}
    return {"images": count, "execution": used, "methods": in_turn(make, rounds, caption)}
