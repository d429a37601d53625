"""How networks run: in which memory layout; eagerly, compiled, or compiled and replayed as CUDA graphs.

A small network such as Dot is bound by the launch of its kernels on a fast GPU, not by its arithmetic; compiling and graphs take that
overhead away, more of Dot's time than of Dash's, so that the ratio N rises towards that of the FLOPs. Dash runs in baselines as it
does in Morse, or a speedup could come of a slow baseline.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from morse.files import read_json

Network = Callable[..., Tensor]
"""Dash or Dot, on tensors alone."""

EXECUTIONS = {"eager": 0, "compiled": 1, "cuda-graphs": 3}
"""Execution -> runs at each batch size that come before the clock: the first call compiles, and a later one records the graph."""


def executions(device: torch.device | str) -> list[str]:
    """Those of :data:`EXECUTIONS` that a device can do, the simplest first."""
    return [name for name in EXECUTIONS if name != "cuda-graphs" or torch.device(device).type == "cuda"]


def executable(network: Network, execution: str, device: torch.device | str = "cpu") -> Network:
    """The network as ``execution`` of :data:`EXECUTIONS` runs it on a device; compiling happens at the first call with a shape.

    Compiled kernels round differently from eager ones, by some 1e-6 of the output, so images are not the same bits. Each shape and
    memory layout is compiled anew; where torch would give up and run eagerly it raises instead.

    Raises:
        ValueError: for an unknown execution, or CUDA graphs without a GPU; at the first call, where torch finds no C++ compiler.
    """
    if execution not in EXECUTIONS:
        raise ValueError(f"execution: {execution} is none of {', '.join(EXECUTIONS)}")
    if execution == "eager":
        return network
    torch._dynamo.config.recompile_limit = 64
    torch._dynamo.config.fail_on_recompile_limit_hit = True
    if execution == "compiled":
        return _compiled(network)
    if execution not in executions(device):
        raise ValueError(f"execution: cuda-graphs needs a GPU, and the networks are on {device}; set execution: compiled or eager")
    return _replayed(_compiled(network, mode="reduce-overhead"))


def _compiled(network: Network, mode: str = "default") -> Network:
    def function(*inputs: Tensor) -> Tensor:  # a plain one, as torch.compile wants it
        return network(*inputs)

    compiled = torch.compile(function, dynamic=False, mode=mode)

    def run(*inputs: Tensor) -> Tensor:
        try:
            return compiled(*inputs)
        except RuntimeError as error:
            if "InvalidCxxCompiler" not in str(error):
                raise
            fault = "compiling needs a C++ compiler, and torch finds none"
            raise ValueError(f"execution: {fault}; install g++ or name one in the variable CXX, or set execution: eager") from error

    return run


def _replayed(graph: Network) -> Network:
    """A network whose outputs outlive the next call, which overwrites a graph's memory; samplers keep several estimates."""

    def run(*inputs: Tensor) -> Tensor:
        torch.compiler.cudagraph_mark_step_begin()
        return graph(*inputs).clone()

    return run


def executions_of(choice: str, measured: Iterable[str], networks: Iterable[str]) -> dict[str, str]:
    """Each network's execution: the configuration's, or with "best" what the file of its measurement names."""
    if choice != "best":
        return dict.fromkeys(networks, choice)
    return {network: read_json(path)["execution"] for network, path in zip(networks, measured, strict=True)}
