"""FLOPs of a call of Dash and of Dot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from morse.runtime.execution import Network
from morse.runtime.latency import _inputs


def _attention(query: Sequence[int], key: Sequence[int], value: Sequence[int], *_: Any, **__: Any) -> int:
    return sdpa_flop_count(query, key, value)


ON_CPU = {torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention}
"""PyTorch counts attention's kernels on GPUs only."""


@torch.no_grad()
def flops(dash: Network, dot: Network, shape: tuple[int, ...], device: str = "cpu") -> tuple[int, int]:
    """FLOPs of a call of Dash and of one of Dot for one image, as PyTorch counts them.

    Two for each multiply-add of convolutions, matrix products and attention; normalisations and activations are not counted.
    """
    x, s, t = _inputs(shape, 1, device)
    counts = []
    for call in (lambda: dash(x, t)), (lambda: dot(x, x, x, s, t)):
        with FlopCounterMode(display=False, custom_mapping=ON_CPU) as counter:
            call()
        counts.append(counter.get_total_flops())
    return counts[0], counts[1]
