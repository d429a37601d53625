"""How networks run: in which memory layout; eagerly, compiled, or compiled and replayed as CUDA graphs.

A small network such as Dot is bound by the launch of its kernels on a fast GPU, not by its arithmetic; compiling and graphs take that
overhead away, more of Dot's time than of Dash's, so that the ratio N rises towards that of the FLOPs. Whatever is chosen holds for
both networks, and baselines run with it too.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Network = Callable[..., Tensor]
"""Dash or Dot, on tensors alone."""

EXECUTIONS = {"eager": 0, "compiled": 1, "cuda-graphs": 3}
"""Execution -> runs at each batch size that come before the clock: the first call compiles, and a later one records the graph."""


def executable(network: Network, execution: str, device: torch.device | str = "cpu") -> Network:
    """The network as ``execution`` of :data:`EXECUTIONS` runs it on a device; compiling happens at the first call with a shape.

    Compiled kernels round differently from eager ones, by some 1e-6 of the output, so images are not the same bits. Each shape and
    memory layout is compiled anew; where torch would give up and run eagerly it raises instead.

    Raises:
        ValueError: for an unknown execution, or CUDA graphs without a GPU.
    """
    if execution not in EXECUTIONS:
        raise ValueError(f"execution: {execution} is none of {', '.join(EXECUTIONS)}")
    if execution == "eager":
        return network
    torch._dynamo.config.recompile_limit = 64
    torch._dynamo.config.fail_on_recompile_limit_hit = True
    if execution == "compiled":
        return torch.compile(_function(network), dynamic=False)
    if torch.device(device).type != "cuda":
        raise ValueError(f"execution: cuda-graphs needs a GPU, and the networks are on {device}; set execution: compiled or eager")
    return _replayed(torch.compile(_function(network), dynamic=False, mode="reduce-overhead"))


def memory_format(device: torch.device | str) -> torch.memory_format:
    """Of the weights of networks on a device: channels last on a CPU, by which convolutions of few channels gain.

    On two AVX-512 cores the twin's Dash took 0.96 of the time and Dot 0.87 (batch size 100), Inception 0.64, EfficientNet-Lite0 0.6.
    """
    return torch.channels_last if torch.device(device).type == "cpu" else torch.contiguous_format


def _function(network: Network) -> Network:
    """A plain function, as torch.compile wants it."""

    def run(*inputs: Tensor) -> Tensor:
        return network(*inputs)

    return run


def _replayed(graph: Network) -> Network:
    """A network whose outputs outlive the next call, which overwrites a graph's memory; samplers keep several estimates."""

    def run(*inputs: Tensor) -> Tensor:
        torch.compiler.cudagraph_mark_step_begin()
        return graph(*inputs).clone()

    return run
