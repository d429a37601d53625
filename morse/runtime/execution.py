"""How networks run: eagerly, compiled, or compiled and replayed as CUDA graphs.

On a fast GPU a small network such as Dot is limited by kernel launches, not by arithmetic.
Compilation and graphs remove this overhead, and more of it from Dot than from Dash. So the ratio N
rises towards that of the FLOPs. Dash runs in the baseline as it does in Morse. Otherwise a slow
baseline could look like a speedup.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from morse.files import read_json, write_json
from morse.provenance import without_cores
from morse.registry import remove_and_run
from morse.runtime.arguments import taken_by
from morse.runtime.device import device_name

Network = Callable[..., Tensor]
"""Dash or Dot, on tensors alone."""

EXECUTIONS = {"eager": 0, "compiled": 1, "cuda-graphs": 3}
"""Execution -> untimed runs at each batch size: the first call compiles, and a later one records
the graph."""


def executions(device: torch.device | str) -> list[str]:
    """The names of :data:`EXECUTIONS` that a device can run, the simplest first."""
    return [name for name in EXECUTIONS if name != "cuda-graphs" or torch.device(device).type == "cuda"]


def executable(network: Network, execution: str, device: torch.device | str = "cpu") -> Network:
    """The network, run as ``execution`` (one of :data:`EXECUTIONS`) on a device. Compilation
    happens at the first call with a shape.

    Compiled kernels round differently from eager ones, by some 1e-6 of the output, so images are
    not identical in all bits. Each shape and memory layout is compiled separately. Where torch
    would give up and run eagerly, it raises an error instead.

    Raises:
        ValueError: for an unknown execution, or CUDA graphs without a GPU. At the first call, if
            torch finds no C++ compiler.
    """
    if execution not in EXECUTIONS:
        raise ValueError(f"execution: {execution} is none of {', '.join(EXECUTIONS)}")
    if execution == "eager":
        return network
    torch._dynamo.config.recompile_limit = 64
    torch._dynamo.config.fail_on_recompile_limit_hit = True
    if execution == "compiled":
        return _as(network, _compiled(network))
    if execution not in executions(device):
        raise ValueError(
            f"execution: cuda-graphs needs a GPU, and the networks are on {device}; set execution: compiled or eager"
        )
    return _as(network, _replayed(_compiled(network, mode="reduce-overhead")))


def _as(network: Network, run: Network) -> Network:
    """``run``, which like the network says what it takes."""
    run.takes = taken_by(network)
    return run


def _compiled(network: Network, mode: str = "default") -> Network:
    def function(*inputs: Tensor) -> Tensor:  # a plain function, as torch.compile needs
        return network(*inputs)

    compiled = torch.compile(function, dynamic=False, mode=mode)

    def run(*inputs: Tensor) -> Tensor:
        try:
            return compiled(*inputs)
        except RuntimeError as error:
            if "InvalidCxxCompiler" not in str(error):
                raise
            fault = "compiling needs a C++ compiler, and torch finds none"
            raise ValueError(
                f"execution: {fault}; install g++ or name one in the variable CXX, or set execution: eager"
            ) from error

    return run


def _replayed(graph: Network) -> Network:
    """A network with outputs that are still valid after the next call. The call overwrites a
    graph's memory, and samplers keep several estimates."""

    def run(*inputs: Tensor) -> Tensor:
        torch.compiler.cudagraph_mark_step_begin()
        return graph(*inputs).clone()

    return run


def executions_of(
    choice: str, measured: Iterable[Path | str], networks: Iterable[str], device: torch.device | str = "cpu"
) -> dict[str, str]:
    """Each network's execution: the configured one, or with "best" the one in the file of its
    measurement.

    Raises:
        ValueError: one line with the command that helps, for a measurement on another device.
    """
    if choice != "best":
        return dict.fromkeys(networks, choice)
    found, here = {}, without_cores(device_name(device))
    for network, path in zip(networks, measured, strict=True):
        record = read_json(path, {"execution": str, "provenance": dict})
        if (there := without_cores(record["provenance"]["device"])) != here:
            fault = f"{path} was measured on another device, {there}, and this is {here}"
            raise ValueError(f"{fault}; {remove_and_run('to measure again', path)}")
        found[network] = record["execution"]
    return found


def save_execution(
    model: str, network: str, found: Mapping[str, Any], provenance: Mapping[str, Any], path: Path | str
) -> None:
    """Writes the result of :func:`morse.runtime.latency.fastest` for a model's network.
    :func:`executions_of` reads it."""
    write_json({"model": model, "network": network, "provenance": dict(provenance)} | dict(found), path)
