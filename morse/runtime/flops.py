"""FLOPs of network calls: what N would be if time were arithmetic alone.

A multiply-add of a convolution, matrix product or attention counts as two. Normalisations and
activations are not counted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from morse.runtime.arguments import Takes, inputs
from morse.runtime.execution import Network


def _attention(query: Sequence[int], key: Sequence[int], value: Sequence[int], *_: Any, **__: Any) -> int:
    return sdpa_flop_count(query, key, value)


ON_CPU = {torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention}
"""Attention on a CPU. PyTorch itself counts only the GPU kernels of attention."""


class Count(NamedTuple):
    """FLOPs of a call: all, and those of attention alone (scores and their sums of values)."""

    total: int
    attention: int


def count(call: Callable[[], Any]) -> Count:
    """FLOPs of a call, as PyTorch counts them. A backward pass in it is counted too."""
    with FlopCounterMode(display=False, custom_mapping=ON_CPU) as counter:
        call()
    by_operation = counter.get_flop_counts().get("Global", {})
    attention = sum(
        n for operation, n in by_operation.items() if "bmm" in str(operation) or "dot_prod" in str(operation)
    )
    return Count(counter.get_total_flops(), attention)


@torch.no_grad()
def flops(
    dash: Network,
    dot: Network | None,
    shape: Sequence[int],
    device: torch.device | str = "cpu",
    cond: tuple[Tensor, ...] = (),
    takes: Takes | None = None,
) -> dict[str, int]:
    """FLOPs of one call of "dash", and of "dot" if there is one, for one image. ``cond`` and
    ``takes`` are those of :func:`morse.runtime.arguments.inputs`."""
    of_dash, of_dot = inputs(shape, 1, device, cond, takes)
    calls = {"dash": lambda: dash(*of_dash)} | ({"dot": lambda: dot(*of_dot)} if dot is not None else {})
    return {network: count(call).total for network, call in calls.items()}


def count_parameters(network: nn.Module, trained_alone: bool = False) -> int:
    """The number of a network's parameters, or of those that are trained."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad or not trained_alone)
