r"""How long a step of Dash and a step of Dot take, hence the ratio N.

.. math:: N = \mathrm{latency(Dash)} / \mathrm{latency(Dot)}

Both are timed in turn, A B A B, so that a machine whose speed drifts slows both alike, and N is the median of the ratios of
neighbours. Warm-up calls come first. On a GPU each measurement waits for the device.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from morse.predictors import DashFunction, DotFunction

WARM_UP = 3


@dataclass(frozen=True)
class Latency:
    """Median seconds of a call on a batch, the ratio N with its quartiles, and how they were taken."""

    dash_seconds: float
    dot_seconds: float
    ratio: float
    ratio_quartiles: tuple[float, float]
    batch_size: int
    repetitions: int
    device: str
    threads: int
    dtype: str

    def record(self) -> dict[str, Any]:
        """As a dictionary for JSON."""
        return asdict(self)


def _seconds(call: Callable[[], Tensor], device: torch.device) -> float:
    started = time.perf_counter()
    call()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - started


@torch.inference_mode()
def measure(
    dash: DashFunction, dot: DotFunction, shape: tuple[int, ...], batch_size: int, repetitions: int = 15, device: str = "cpu"
) -> Latency:
    """Times a call of Dash and one of Dot on a batch of noise.

    Args:
        shape: (C, H, W) of an image.
        repetitions: pairs that count.
    """
    x = torch.randn((batch_size, *shape), generator=torch.Generator().manual_seed(0)).to(device)
    s, t = (torch.full((batch_size,), value, device=device) for value in (600.0, 500.0))
    calls = (lambda: dash(x, t)), (lambda: dot(x, x, x, s, t))
    pairs = []
    for _ in tqdm(range(WARM_UP + repetitions), desc="latency of Dash and Dot", mininterval=2):
        pairs.append([_seconds(call, x.device) for call in calls])
    pairs = pairs[WARM_UP:]
    ratios = [of_dash / of_dot for of_dash, of_dot in pairs]
    low, middle, high = statistics.quantiles(ratios, n=4)
    return Latency(
        dash_seconds=statistics.median(of_dash for of_dash, _ in pairs),
        dot_seconds=statistics.median(of_dot for _, of_dot in pairs),
        ratio=middle,
        ratio_quartiles=(low, high),
        batch_size=batch_size,
        repetitions=repetitions,
        device=torch.cuda.get_device_name(x.device) if x.device.type == "cuda" else "cpu",
        threads=torch.get_num_threads(),
        dtype=str(x.dtype).removeprefix("torch."),
    )
