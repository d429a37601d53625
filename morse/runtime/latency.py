r"""How long each kind of call takes, hence its cost in LSD and the ratio N.

Each kind of a method's calls has a letter: D for Dash, a point for Dot. A call's cost in LSD is its
latency in units of a Dash call's,

.. math::

    \mathrm{cost}(l) = \mathrm{latency}(l) / \mathrm{latency}(D), \qquad
    N = 1 / \mathrm{cost}(\cdot).

All kinds are timed in turn, D . D . D ., so that a drift of the machine's speed affects all alike.
A cost is the median of the ratios within a round. Its interval covers this session only, not drift
between sessions. Warm-up rounds come first, and include compilation. On a GPU each measurement
waits for the device.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from morse.runtime.arguments import Takes, inputs
from morse.runtime.device import wait_for
from morse.runtime.execution import Network, executable, executions

WARM_UP = 3
CONFIDENCE = 0.95


class Clock:
    """Times the calls of one round: ``clock(letter, call)`` returns what the call does.

    Attributes:
        seconds: letter -> seconds of its first call in the round.
    """

    def __init__(self, device: torch.device | str):
        self.device = device
        self.seconds: dict[str, float] = {}

    def __call__(self, letter: str, call: Callable[[], Tensor]) -> Tensor:
        wait_for(self.device)
        started = time.perf_counter()
        result = call()
        wait_for(self.device)
        self.seconds.setdefault(letter, time.perf_counter() - started)
        return result


@dataclass(frozen=True)
class CallLatencies:
    """Latencies of calls on a batch, and how they were taken.

    Attributes:
        seconds: letter -> median seconds of a call.
        costs: letter -> its cost in LSD.
        intervals: letter -> the cost's 95 % interval.
        executions: network -> how it ran.
        warm_up_seconds: seconds of all warm-up rounds, compilation included.
    """

    seconds: Mapping[str, float]
    costs: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]]
    batch_size: int
    executions: Mapping[str, str]
    warm_up_seconds: float
    repetitions: int
    device: str
    threads: int
    dtype: str
    tf32: bool

    def record(self) -> dict[str, Any]:
        """As a dictionary for JSON."""
        return asdict(self) | {"intervals": {letter: list(ends) for letter, ends in self.intervals.items()}}


def median_interval(values: Sequence[float]) -> tuple[float, float]:
    r"""The interval between order statistics that holds the median of any continuous distribution
    with 95 % confidence.

    Of n independent values the number below the median is binomial (n, 1/2). So the k-th smallest
    and k-th largest enclose it with probability :math:`1 - 2 \sum_{i < k} \binom{n}{i} 2^{-n}`, and
    k is the largest that keeps 95 %. Five values or fewer cannot keep it: their interval is their
    whole range.
    """
    ordered, n = sorted(values), len(values)
    outside, k = 0.5**n, 0  # the probability that fewer than k + 1 values lie below the median
    while 2.0 * outside <= 1.0 - CONFIDENCE:
        k += 1
        outside += math.comb(n, k) * 0.5**n
    k = max(k, 1)
    return ordered[k - 1], ordered[n - k]


def ratios(rounds: Sequence[Mapping[str, float]], unit: str) -> dict[str, tuple[float, tuple[float, float]]]:
    """How long things take that were timed in turn, in units of one of them.

    A factor that is common to all seconds of a round cancels.

    Args:
        rounds: the seconds of each thing, by name; one mapping a round.
        unit: the name of the unit.

    Returns:
        Name -> the median of its ratios within a round, and that median's 95 % interval
        (:func:`median_interval`).
    """
    values = {name: [seconds[name] / seconds[unit] for seconds in rounds] for name in rounds[0]}
    return {name: (statistics.median(of_name), median_interval(of_name)) for name, of_name in values.items()}


def _timed(
    one_round: Callable[[Clock], None], repetitions: int, device: torch.device | str, caption: str
) -> tuple[list[dict[str, float]], list[dict[str, float]]]:
    """The seconds of each call, by letter: of each warm-up round, and of each round that counts."""
    rounds = []
    for _ in tqdm(range(WARM_UP + repetitions), desc=caption, unit="round", mininterval=2):
        clock = Clock(device)
        one_round(clock)
        rounds.append(clock.seconds)
    return rounds[:WARM_UP], rounds[WARM_UP:]


@torch.inference_mode()
def measure(
    one_round: Callable[[Clock], None],
    unit: str,
    executions: Mapping[str, str],
    batch_size: int,
    repetitions: int = 15,
    device: torch.device | str = "cpu",
) -> CallLatencies:
    """Times rounds of calls.

    Args:
        one_round: makes each kind of call once, through the clock
            (:func:`morse.sampling.call_costs.timed_round`).
        unit: the letter of the call whose latency is 1 LSD.
        executions: network -> how it runs, for the record and the progress bar.
        repetitions: rounds that count.

    Raises:
        ValueError: if a round has no call that is the unit.
    """
    device = torch.device(device)
    how = ", ".join(f"{network} {execution}" for network, execution in executions.items())
    warm_up, counted = _timed(one_round, repetitions, device, f"latency, {how}, batch size {batch_size}")
    if unit not in warm_up[0]:
        raise ValueError(f"a round of calls {', '.join(warm_up[0])} has no {unit}, whose latency is the unit")
    found = ratios(counted, unit)
    return CallLatencies(
        seconds={letter: statistics.median(seconds[letter] for seconds in counted) for letter in found},
        costs={letter: cost for letter, (cost, _) in found.items()},
        intervals={letter: interval for letter, (_, interval) in found.items()},
        batch_size=batch_size,
        executions=dict(executions),
        warm_up_seconds=sum(sum(seconds.values()) for seconds in warm_up),
        repetitions=repetitions,
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        threads=torch.get_num_threads(),
        dtype="float32",
        tf32=device.type == "cuda" and torch.backends.cudnn.allow_tf32,
    )


@torch.inference_mode()
def fastest(
    network: str,
    call: Network,
    shape: Sequence[int],
    batch_size: int,
    repetitions: int = 15,
    device: torch.device | str = "cpu",
    cond: tuple[Tensor, ...] = (),
    takes: Takes | None = None,
) -> dict[str, Any]:
    """The fastest of the device's executions for a network, by the median time of its calls on a
    batch of noise.

    All are timed in turn, so that a drift of the machine's speed favours none. Compilation does not
    count.

    Args:
        network: "dash" or "dot", which decides the inputs of ``call``.
        shape: (C, H, W) of an image.
        cond, takes: as for :func:`morse.runtime.arguments.inputs`.

    Returns:
        ``execution``; the median ``seconds`` of a call by each execution; ``warm_up_seconds`` by
        each, compilation included; ``batch_size`` and ``repetitions``.
    """
    arguments = inputs(shape, batch_size, device, cond, takes)[network != "dash"]
    names = executions(device)
    calls = {name: partial(executable(call, name, device), *arguments) for name in names}

    def one_round(clock: Clock) -> None:
        for name in names:
            clock(name, calls[name])

    caption = f"fastest execution of {network}, batch size {batch_size}"
    warm_up, counted = _timed(one_round, repetitions, device, caption)
    seconds = {name: statistics.median(one[name] for one in counted) for name in names}
    return {
        "execution": min(names, key=seconds.__getitem__),
        "seconds": seconds,
        "warm_up_seconds": {name: sum(one[name] for one in warm_up) for name in names},
        "batch_size": batch_size,
        "repetitions": repetitions,
    }
