r"""How long a step of Dash and a step of Dot take, hence the ratio N.

.. math:: N = \mathrm{latency(Dash)} / \mathrm{latency(Dot)}

Both are timed in turn, A B A B, so that a machine whose speed drifts slows both alike, and N is the median of the ratios of
neighbours; its interval is of these calls, and does not hold how a machine differs from day to day. Warm-up calls come first,
compiling with them. On a GPU each measurement waits for the device. The ratio of the two networks' FLOPs is what N would be if time
were arithmetic alone.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from morse.runtime.execution import Network, executable, executions

WARM_UP = 3
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Latency:
    """Median seconds of a call on a batch, the ratio N with its quartiles and 95 % interval, and how they were taken."""

    dash_seconds: float
    dot_seconds: float
    ratio: float
    ratio_interval: tuple[float, float]
    ratio_quartiles: tuple[float, float]
    batch_size: int
    dash_execution: str
    dot_execution: str
    warm_up_seconds: float
    repetitions: int
    device: str
    threads: int
    dtype: str
    tf32: bool

    def record(self) -> dict[str, Any]:
        """As a dictionary for JSON."""
        return asdict(self)


def _seconds(call: Callable[[], Tensor], device: torch.device) -> float:
    started = time.perf_counter()
    call()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - started


def _in_turn(
    calls: Sequence[Callable[[], Tensor]], repetitions: int, device: torch.device, caption: str
) -> tuple[list[list[float]], list[list[float]]]:
    """Seconds of each call, A B C A B C: a list for each round of warm-up, and for each repetition."""
    progress = tqdm(range(WARM_UP + repetitions), desc=caption, unit="round", mininterval=2)
    rounds = [[_seconds(call, device) for call in calls] for _ in progress]
    return rounds[:WARM_UP], rounds[WARM_UP:]


def median_interval(values: Sequence[float]) -> tuple[float, float]:
    r"""The interval between order statistics that holds the median of any continuous distribution with 95 % confidence.

    Of n independent values the number below the median is binomial (n, 1/2), so the k-th smallest and k-th largest enclose it with
    probability :math:`1 - 2 \sum_{i < k} \binom{n}{i} 2^{-n}`; k is the largest that keeps 95 %. Five values or fewer cannot keep it:
    theirs is their whole range.
    """
    ordered, n = sorted(values), len(values)
    outside, k = 0.5**n, 0  # the probability that fewer than k + 1 values lie below the median
    while 2.0 * outside <= 1.0 - CONFIDENCE:
        k += 1
        outside += math.comb(n, k) * 0.5**n
    k = max(k, 1)
    return ordered[k - 1], ordered[n - k]


def _inputs(shape: tuple[int, ...], batch_size: int, device: torch.device | str) -> tuple[Tensor, Tensor, Tensor]:
    """Noise x (B, *shape) and two times, s > t, (B,)."""
    x = torch.randn((batch_size, *shape), generator=torch.Generator().manual_seed(0)).to(device)
    return x, torch.full((batch_size,), 600.0, device=device), torch.full((batch_size,), 500.0, device=device)


@torch.inference_mode()
def measure(
    dash: Network,
    dot: Network,
    shape: tuple[int, ...],
    batch_size: int,
    repetitions: int = 15,
    device: str = "cpu",
    dash_execution: str = "eager",
    dot_execution: str = "eager",
) -> Latency:
    """Times a call of Dash and one of Dot on a batch of noise.

    Args:
        shape: (C, H, W) of an image.
        repetitions: pairs that count.
        dash_execution, dot_execution: how each runs (:data:`morse.runtime.execution.EXECUTIONS`); ``warm_up_seconds`` holds the compiling.
    """
    x, s, t = _inputs(shape, batch_size, device)
    run_dash, run_dot = executable(dash, dash_execution, device), executable(dot, dot_execution, device)
    caption = f"latency of Dash ({dash_execution}) and Dot ({dot_execution}), batch size {batch_size}"
    warm_up, pairs = _in_turn([lambda: run_dash(x, t), lambda: run_dot(x, x, x, s, t)], repetitions, x.device, caption)
    ratios = [of_dash / of_dot for of_dash, of_dot in pairs]
    low, middle, high = statistics.quantiles(ratios, n=4)
    return Latency(
        dash_seconds=statistics.median(of_dash for of_dash, _ in pairs),
        dot_seconds=statistics.median(of_dot for _, of_dot in pairs),
        ratio=middle,
        ratio_interval=median_interval(ratios),
        ratio_quartiles=(low, high),
        batch_size=batch_size,
        dash_execution=dash_execution,
        dot_execution=dot_execution,
        warm_up_seconds=sum(map(sum, warm_up)),
        repetitions=repetitions,
        device=torch.cuda.get_device_name(x.device) if x.device.type == "cuda" else "cpu",
        threads=torch.get_num_threads(),
        dtype=str(x.dtype).removeprefix("torch."),
        tf32=x.device.type == "cuda" and torch.backends.cudnn.allow_tf32,
    )


@torch.inference_mode()
def fastest(
    network: str, call: Network, shape: tuple[int, ...], batch_size: int, repetitions: int = 15, device: str = "cpu"
) -> dict[str, Any]:
    """Which of the device's executions takes a network the least time, in the median of calls on a batch of noise.

    All are timed in turn, so that a drift of the machine's speed favours none. Time to compile does not count.

    Args:
        network: "dash" or "dot", which tells the inputs of ``call``.
        shape: (C, H, W) of an image.

    Returns:
        ``execution``, the median ``seconds`` of a call by each, ``warm_up_seconds`` by each, which holds the compiling, ``batch_size``
        and ``repetitions``.
    """
    x, s, t = _inputs(shape, batch_size, device)
    inputs = (x, t) if network == "dash" else (x, x, x, s, t)
    names = executions(device)
    calls = [partial(executable(call, name, device), *inputs) for name in names]
    warm_up, rounds = _in_turn(calls, repetitions, x.device, f"fastest execution of {network}, batch size {batch_size}")
    seconds = dict(zip(names, map(statistics.median, zip(*rounds, strict=True)), strict=True))
    return {
        "execution": min(names, key=seconds.__getitem__),
        "seconds": seconds,
        "warm_up_seconds": dict(zip(names, map(sum, zip(*warm_up, strict=True)), strict=True)),
        "batch_size": batch_size,
        "repetitions": repetitions,
    }
