"""FLOPs of network calls: what N would be if time were arithmetic alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from morse.runtime.execution import Network
from morse.runtime.latency import inputs


def _attention(query: Sequence[int], key: Sequence[int], value: Sequence[int], *_: Any, **__: Any) -> int:
    return sdpa_flop_count(query, key, value)


ON_CPU = {torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention}
"""Attention on a CPU. PyTorch itself counts only the GPU kernels of attention."""


@torch.no_grad()
def flops(
    dash: Network, dot: Network | None, shape: Sequence[int], device: torch.device | str = "cpu", classes: int = 0
) -> dict[str, int]:
    """FLOPs of one call of "dash", and of "dot" if there is one, for one image, as PyTorch counts
    them.

    A multiply-add of a convolution, matrix product or attention counts as two. Normalisations and
    activations are not counted.
    """
    of_dash, of_dot = inputs(shape, 1, device, classes)
    calls = {"dash": lambda: dash(*of_dash)} | ({"dot": lambda: dot(*of_dot)} if dot is not None else {})
    counts = {}
    for network, call in calls.items():
        with FlopCounterMode(display=False, custom_mapping=ON_CPU) as counter:
            call()
        counts[network] = counter.get_total_flops()
    return counts


def count_parameters(network: nn.Module) -> int:
    """The number of all parameters of a network."""
    return sum(parameter.numel() for parameter in network.parameters())
