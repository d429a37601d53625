"""How many FLOPs a second a device does on these networks: stated for GPUs by name, or measured."""

from __future__ import annotations

from typing import NamedTuple

from morse.experiments.cards import Card
from morse.registry import unknown

UTILISATION = 0.3
"""The part of a GPU's peak that float32 convolutions of diffusion networks reach: our assumption,
to be replaced by a measurement (``morse cost --measure``)."""
REPETITIONS = 3


class Gpu(NamedTuple):
    """A GPU as its maker states it.

    Attributes:
        peak: FLOPs a second in the precision that runs have: TF32 without sparsity where the GPU
            has it, as convolutions use it by default, else float32.
        memory: bytes.
    """

    peak: float
    memory: float


GPUS = {
    "t4": Gpu(8.1e12, 16e9),
    "v100": Gpu(15.7e12, 32e9),
    "rtx3090": Gpu(35.6e12, 24e9),
    "rtx4090": Gpu(82.6e12, 24e9),
    "l4": Gpu(60e12, 24e9),
    "l40s": Gpu(183e12, 48e9),
    "a100": Gpu(156e12, 80e9),
    "h100": Gpu(494e12, 80e9),
    "h200": Gpu(494e12, 141e9),
}
"""Name -> what NVIDIA's data sheets state (SXM forms of a100, h100, h200, v100)."""


def gpu_named(name: str) -> Gpu:
    """The GPU of this name. Raises ValueError with the nearest name for an unknown one."""
    if name not in GPUS:
        raise ValueError(f"{unknown('GPU', name, GPUS)} (known: {', '.join(GPUS)}); or give --flops")
    return GPUS[name]


def measured_throughput(card: Card, batch_size: int, device: str) -> float:
    """FLOPs a second of a model's Dash with random weights on this machine, in eager execution."""
    from morse.dash.loading import build_dash
    from morse.methods.plans import DASH
    from morse.runtime.device import place
    from morse.runtime.flops import flops
    from morse.runtime.latency import inputs, measure

    dash = build_dash(card)
    place(dash.network, device)
    arguments, _ = inputs(dash.shape, batch_size, device, dash.example(batch_size, device))
    seconds = measure(
        lambda clock: clock(DASH, lambda: dash(*arguments)), DASH, {"dash": "eager"}, batch_size, REPETITIONS, device
    ).seconds[DASH]
    return batch_size * flops(dash, None, dash.shape, device, dash.example(1, device))["dash"] / seconds
