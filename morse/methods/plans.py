r"""Time budgets in LSD, latencies of a step of Dash: which calls of a run are Dash's and which are Dot's.

A run of the baseline spends a budget of n LSD on n calls of Dash. Morse gives k of them to Dot, which is N times faster,

.. math:: \mathrm{calls(Dash)} = n - k, \quad \mathrm{calls(Dot)} = \lfloor N k \rfloor, \qquad
    \mathrm{cost} = \mathrm{calls(Dash)} + \mathrm{calls(Dot)} / N \le n

(Li et al. 2025, arXiv 2506.18251), and so takes more steps in the same time.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

MIN_MORSE_BUDGET = 2
"""LSD: one call of Dash and one LSD of Dot's."""


@dataclass(frozen=True)
class Plan:
    """The network of each call of a run.

    Attributes:
        dash: (calls,) True where Dash is called, False where Dot is. The first is True: Dot needs an estimate to start from.
        ratio: N, how many calls of Dot count as one of Dash; None for a run without Dot.
    """

    dash: tuple[bool, ...]
    ratio: float | None = None

    def __post_init__(self) -> None:
        if not self.dash or not self.dash[0]:
            raise ValueError("the first call of a plan is Dash's")
        if self.ratio is None and not all(self.dash):
            raise ValueError("a plan with calls of Dot needs the ratio N")

    @property
    def dash_calls(self) -> int:
        """Calls of Dash."""
        return sum(self.dash)

    @property
    def dot_calls(self) -> int:
        """Calls of Dot."""
        return len(self.dash) - self.dash_calls

    @property
    def lsd(self) -> float:
        """The run's cost in latencies of a Dash step."""
        return self.dash_calls + (self.dot_calls / self.ratio if self.ratio else 0.0)

    @property
    def letters(self) -> str:
        """One letter a call: D for Dash, a point for Dot."""
        return "".join("D" if is_dash else "." for is_dash in self.dash)


def read_plan(letters: str, ratio: float) -> Plan:
    """The inverse of :attr:`Plan.letters`.

    Raises:
        ValueError: for other letters.
    """
    if set(letters) - {"D", "."}:
        raise ValueError(f"a plan is written with D for Dash and a point for Dot, not {letters!r}")
    return Plan(tuple(letter == "D" for letter in letters), ratio)


def dash_plan(budget: int) -> Plan:
    """The baseline: every call is Dash's."""
    if budget < 1:
        raise ValueError(f"a budget of {budget} LSD is too small: a run takes at least 1")
    return Plan((True,) * budget)


def interleave(dash_calls: int, dot_calls: int, lean: float = 1.0) -> tuple[bool, ...]:
    """Dash's calls among all, the first call first: with 2 and 5, D...D.. (D Dash, . Dot).

    Args:
        lean: call i of n of Dash's stands at the part :math:`(i / n)^{lean}` of the run: 1 evenly; more: Dash rather at the start,
            at high noise; less: Dash rather at the end, near the data, and Dot at high noise.
    """
    total = dash_calls + dot_calls
    if lean == 1.0:  # in whole numbers
        places = [index * total // dash_calls for index in range(dash_calls)]
    else:
        places = [math.floor(total * (index / dash_calls) ** lean) for index in range(dash_calls)]
    return _calls(places, total)


def reach_end(dash_calls: int, dot_calls: int, lean: float = 1.0) -> tuple[bool, ...]:
    """As :func:`interleave`, but Dash's last call is the last but one of all: with 3 and 6, D...D..D. (D Dash, . Dot).

    :func:`interleave` leaves the end of a run, where fine detail is decided, to Dot. The very last call, at the least noise, changes
    next to nothing and would be wasted on Dash. Of two calls of Dash the second is needed half-way, where :func:`interleave` has it.

    Args:
        lean: call i of n of Dash's stands at the part :math:`(i / (n - 1))^{lean}` of the way there: 1 evenly; less: after a first
            longer gap, at the noisiest times.
    """
    if dash_calls < 3 or dot_calls < 1:
        return interleave(dash_calls, dot_calls)
    total = dash_calls + dot_calls
    places = [math.floor((total - 2) * (index / (dash_calls - 1)) ** lean + 0.5) for index in range(dash_calls)]
    return (*_calls(places, total - 1), False)


def _calls(places: list[int], total: int) -> tuple[bool, ...]:
    """True at ``places``, in rising order; of two at one place the later one moves on, and none beyond the last that leaves room."""
    for index in range(1, len(places)):
        places[index] = max(places[index], places[index - 1] + 1)
    for left, index in enumerate(reversed(range(len(places))), start=1):
        places[index] = min(places[index], total - left)
    chosen = set(places)
    return tuple(index in chosen for index in range(total))


def morse_plan(budget: int, ratio: float, dot_share: float, lean: float = 1.0) -> Plan:
    """The paper's plan with k = ``dot_share`` x budget rounded down, but 1 at least.

    Args:
        budget: n, in LSD.
        ratio: N, Dash's latency over Dot's.
        dot_share: the part of the budget that is Dot's, between 0 and 1.
        lean: of :func:`interleave`.

    Raises:
        ValueError: if the budget holds no call of Dash beside one LSD of Dot's, or Dot is no faster than Dash.
    """
    return Plan(interleave(*_split(budget, ratio, dot_share), lean), ratio)


def endpoint_plan(budget: int, ratio: float, dot_share: float, lean: float) -> Plan:
    """Calls as many as :func:`morse_plan`'s, but Dash's last one is the last but one of all (:func:`reach_end`).

    Raises:
        ValueError: as :func:`morse_plan`.
    """
    return Plan(reach_end(*_split(budget, ratio, dot_share), lean), ratio)


def fixed_plan(budget: int, ratio: float, dots: int) -> Plan:
    """``dots`` calls of Dot after each of Dash's, as long as the budget lasts: with 2, D..D..D. or the like.

    Raises:
        ValueError: as :func:`morse_plan`; or for fewer than one call of Dot.
    """
    _check(budget, ratio)
    if dots < 1:
        raise ValueError(f"dots, the calls of Dot after each of Dash's, are at least 1, not {dots}")
    calls: list[bool] = []
    spent = 0.0
    while spent <= budget + 1e-9:
        calls.append(len(calls) % (dots + 1) == 0)
        spent = sum(calls) + (len(calls) - sum(calls)) / ratio
    return Plan(tuple(calls[:-1]), ratio)


POLICIES: dict[str, Callable[..., Plan]] = {"paper": morse_plan, "endpoint": endpoint_plan, "fixed": fixed_plan}
"""Name in the configuration -> function of (budget, ratio, its settings); one more, ``auto``, searches (:mod:`morse.sampling.plan_search`)."""


def _check(budget: int, ratio: float) -> None:
    if budget < MIN_MORSE_BUDGET:
        needs = f"one call of Dash and one LSD of Dot's make {MIN_MORSE_BUDGET}"
        raise ValueError(f"a budget of {budget} LSD is too small for Morse: {needs}")
    if not 1.0 < ratio < math.inf:
        raise ValueError(f"the ratio N is {ratio:g}, not a finite number above 1: Dot must be faster than Dash")


def _split(budget: int, ratio: float, dot_share: float) -> tuple[int, int]:
    """Calls of Dash and of Dot."""
    _check(budget, ratio)
    if not 0.0 < dot_share < 1.0:
        raise ValueError(f"dot_share lies between 0 and 1, not {dot_share:g}")
    k = min(max(1, math.floor(budget * dot_share + 1e-9)), budget - 1)
    return budget - k, math.floor(ratio * k + 1e-9)
