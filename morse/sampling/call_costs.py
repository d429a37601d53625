"""Measured costs of a model's calls on this machine, for each kind of call of its methods.

A call is timed as a run makes it: by the predictor, with all its work beside the network. Its
inputs are those of a run: a sample and the estimates from steps of DDIM. So a kind of call that
uses no network has a measured cost too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch

from morse.dash.base import Dash
from morse.dash.conditioning import Condition
from morse.dot.loading import own_parameters
from morse.experiments.cards import Card
from morse.methods import METHODS, networks_of
from morse.methods.plans import DASH, Plan
from morse.runtime.device import memory_format
from morse.runtime.execution import executable, executions_of
from morse.runtime.flops import count_parameters, flops
from morse.runtime.latency import CallLatencies, Clock, measure
from morse.samplers.ddim import ddim_step
from morse.sampling.run import load_networks, precision_of
from morse.schedules.noise import NoiseSchedule

STARTS_AT, ENDS_AT = 0.8, 0.2
"""Fractions of the noise schedule at which a round starts and ends: no pure noise, no clean data.
"""


def timed_round(
    methods: Sequence[str],
    networks: Mapping[str, Callable],
    schedule: NoiseSchedule,
    shape: Sequence[int],
    batch_size: int,
    device: torch.device | str = "cpu",
    cond: Condition = (),
) -> Callable[[Clock], None]:
    """A round for :func:`morse.runtime.latency.measure`: a short run of each method.

    A run makes each of the method's kinds of call; the first of a kind counts.

    Args:
        methods: names. A method makes no run if another method's run has all its kinds of call.
        networks: "dash" and, if a method needs it, "dot", as they are executed.
        shape: (C, H, W) of an image.
        cond: of the batch.
    """
    noise = torch.randn((batch_size, *shape), generator=torch.Generator().manual_seed(0)).to(device)
    runs: list[tuple] = []
    for name in sorted(methods, key=lambda name: -len(METHODS[name].calls)):
        letters = METHODS[name].timed or "".join(METHODS[name].calls)
        if any(set(letters) <= set(others) for _, others in runs):
            continue
        plan = Plan(letters, dict.fromkeys(letters, 1.0))
        runs.append((METHODS[name].make_predictor(networks, plan), letters))

    def one_round(clock: Clock) -> None:
        for predictor, letters in runs:
            parts = np.linspace(STARTS_AT, ENDS_AT, len(letters) + 1)
            times = [float(schedule.t_min + part * (schedule.t_max - schedule.t_min)) for part in parts]
            predictor.begin()
            x = noise
            for letter, t, s in zip(letters, times, times[1:], strict=False):
                eps = clock(letter, lambda x=x, t=t, predictor=predictor: predictor(x, t, *cond))
                x = ddim_step(schedule, x, eps[:, : x.shape[1]], t, s)

    return one_round


def measure_calls(
    dash: Dash,
    dot: Callable | None,
    methods: Sequence[str],
    executions: Mapping[str, str],
    batch_size: int,
    repetitions: int = 15,
    device: torch.device | str = "cpu",
) -> CallLatencies:
    """Latencies of all kinds of call of some methods.

    Args:
        methods: names of :data:`morse.methods.METHODS`.
        executions: network -> how it runs (:data:`morse.runtime.execution.EXECUTIONS`).
    """
    networks = {"dash": dash} | ({"dot": dot} if dot is not None else {})
    running = {name: executable(network, executions[name], device) for name, network in networks.items()}
    example = dash.example(batch_size, device)
    one_round = timed_round(methods, running, dash.schedule, dash.shape, batch_size, device, example)
    how = {name: executions[name] for name in networks}
    return measure(one_round, DASH, how, batch_size, repetitions, device)


def measure_model(
    card: Card,
    methods: Sequence[str],
    dot: Path | str | None,
    measured: Sequence[Path | str],
    execution: str,
    batch_size: int,
    settings: Mapping[str, Any],
    device: torch.device | str = "cpu",
) -> tuple[list[dict[str, Any]], dict[str, int], dict[str, int], str]:
    """The contents of a model's latency record.

    Args:
        card: the model's, of the networks that the methods need.
        methods: names of the methods of the model's runs.
        dot: the prepared file of Dot, if a method needs it.
        measured, execution: of :func:`morse.runtime.execution.executions_of`.
        batch_size: that of the runs. It is measured first, as runs are counted with its costs.
        settings: ``latency`` of the configuration: what else is measured.

    Returns:
        Measurements, FLOPs and parameters of each network, and the memory layout of weights.
    """
    names = networks_of(methods)
    networks = load_networks(card, names, dot, device)
    dtype = str(precision_of(card, device)).removeprefix("torch.")
    own = executions_of(execution, measured, networks, device)
    executions = [own, *(dict.fromkeys(networks, name) for name in settings["executions"])]
    batch_sizes = dict.fromkeys([batch_size, *settings["batch_sizes"]])
    measurements = [
        measure_calls(
            networks["dash"], networks.get("dot"), methods, dict(how), size, settings["repetitions"], device
        ).record()
        | {"dtype": dtype}
        for how, size in product(dict.fromkeys(tuple(one.items()) for one in executions), batch_sizes)
    ]
    parameters = {"dash": count_parameters(networks["dash"].network)}
    if "dot" in networks:
        parameters |= {"dot": count_parameters(networks["dot"]), "dot_own": own_parameters(card)}
    dash, dot = networks["dash"], networks.get("dot")
    counted = flops(dash, dot, dash.shape, device, dash.example(1, device), dot.takes if dot else None)
    return measurements, counted, parameters, str(memory_format(device)).removeprefix("torch.")
