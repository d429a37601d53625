r"""Plans: which calls of a run are Dash's and which are Dot's, within a time budget in LSD
(latencies of a Dash step).

The baseline spends a budget of n LSD on n calls of Dash.
Morse gives k of them to Dot, which is N times faster, and so takes more steps in the same time:

.. math:: \mathrm{calls(Dash)} = n - k, \quad \mathrm{calls(Dot)} = \lfloor N k \rfloor, \qquad
    \mathrm{cost} = \mathrm{calls(Dash)} + \mathrm{calls(Dot)} / N \le n

(Li et al. 2025, arXiv 2506.18251). docs/plans.md shows what each policy does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from morse.registry import unknown

DASH, DOT = "D", "."
"""The letters of the two kinds of call. A method may add letters of its own."""
MIN_BUDGET_WITH_DOT = 2
"""LSD: one call of Dash and one LSD of Dot's."""


@dataclass(frozen=True)
class Plan:
    """What answers each call of a run.

    Attributes:
        letters: a letter for each call, in order. The first is Dash's: all others need an estimate
            to start from.
        costs: letter -> nominal cost of such a call in LSD. Dash's is 1. It may be 0, of a call
            without a network; tables count with the measured cost, which is not.
        settings: what else the method's predictor has to know.
    """

    letters: str
    costs: Mapping[str, float] = field(default_factory=lambda: {DASH: 1.0})
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.letters.startswith(DASH):
            raise ValueError("the first call of a plan is Dash's")
        if unknown := sorted({*self.letters} - {*self.costs}):
            raise ValueError(
                f"a plan's letters are {', '.join(self.costs)}, not {unknown[0]!r}; give the cost of each kind of call"
            )

    @property
    def nfe(self) -> int:
        """Calls of any kind: steps of the sampler."""
        return len(self.letters)

    @property
    def lsd(self) -> float:
        """The nominal cost of the run in latencies of a Dash step."""
        return sum(self.letters.count(letter) * cost for letter, cost in self.costs.items())


def with_ratio(letters: str, ratio: float) -> Plan:
    """The plan of Dash and Dot with these letters, N calls of Dot counting as one of Dash.

    Raises:
        ValueError: for letters other than D and the point, or a first call that is not Dash's.
    """
    return Plan(letters, {DASH: 1.0, DOT: 1.0 / ratio})


def baseline_plan(budget: int) -> Plan:
    """Every call is Dash's. Raises ValueError for a budget below 1."""
    if budget < 1:
        raise ValueError(f"a budget of {budget} LSD is too small: a run takes at least 1")
    return Plan(DASH * budget)


def interleave(dash_calls: int, dot_calls: int, lean: float = 1.0) -> str:
    """The letters of a plan with Dash's calls spread over the run: with 2 and 5, ``D..D...``.

    The first call is Dash's.

    Args:
        lean: call i of n of Dash's is at the fraction :math:`(i / n)^{lean}` of the run. 1 is even.
            More moves Dash to the start, at high noise. Less moves it to the end, near the data.
    """
    total = dash_calls + dot_calls
    if lean == 1.0:  # in whole numbers
        places = [index * total // dash_calls for index in range(dash_calls)]
    else:
        places = [math.floor(total * (index / dash_calls) ** lean) for index in range(dash_calls)]
    return _letters(places, total)


def reach_end(dash_calls: int, dot_calls: int, lean: float = 1.0) -> str:
    """As :func:`interleave`, but Dash's last call is the last but one of all: with 3 and 6,
    ``D...D..D.``.

    :func:`interleave` leaves the end of a run, where fine detail is decided, to Dot. The very last
    call, at the least noise, changes next to nothing and would be wasted on Dash. With two calls of
    Dash the second is half-way, as in :func:`interleave`.

    Args:
        lean: call i of n of Dash's is at the fraction :math:`(i / (n - 1))^{lean}` of the way to
            the last but one call. 1 is even. Less makes the gaps long at high noise.
    """
    if dash_calls < 3 or dot_calls < 1:
        return interleave(dash_calls, dot_calls)
    total = dash_calls + dot_calls
    places = [math.floor((total - 2) * (index / (dash_calls - 1)) ** lean + 0.5) for index in range(dash_calls)]
    return _letters(places, total - 1) + DOT


def _letters(places: list[int], total: int) -> str:
    """Dash at ``places``, in rising order, Dot elsewhere; duplicates are shifted up by one, and
    down where no room is left."""
    for index in range(1, len(places)):
        places[index] = max(places[index], places[index - 1] + 1)
    for left, index in enumerate(reversed(range(len(places))), start=1):
        places[index] = min(places[index], total - left)
    chosen = set(places)
    return "".join(DASH if index in chosen else DOT for index in range(total))


def paper_plan(budget: int, ratio: float, dot_share: float, lean: float = 1.0) -> Plan:
    """The paper's plan, with k = ``dot_share`` x budget rounded down, but 1 at least.

    Args:
        budget: n, in LSD.
        ratio: N, Dash's latency over Dot's.
        dot_share: the fraction of the budget that is Dot's, between 0 and 1.
        lean: as for :func:`interleave`.

    Raises:
        ValueError: if the budget has no room for one call of Dash and one LSD of Dot, or Dot is no
            faster than Dash.
    """
    return with_ratio(interleave(*_split(budget, ratio, dot_share), lean), ratio)


def endpoint_plan(budget: int, ratio: float, dot_share: float, lean: float) -> Plan:
    """As many calls as :func:`paper_plan` has, in the order of :func:`reach_end`. Raises ValueError
    as it does."""
    return with_ratio(reach_end(*_split(budget, ratio, dot_share), lean), ratio)


def fixed_plan(budget: int, ratio: float, dots: int) -> Plan:
    """``dots`` calls of Dot after each of Dash's, as long as the budget lasts: with 2, ``D..D..D``.

    Raises:
        ValueError: as :func:`paper_plan`; or for fewer than one call of Dot.
    """
    _check(budget, ratio)
    if dots < 1:
        raise ValueError(f"dots, the calls of Dot after each of Dash's, are at least 1, not {dots}")
    letters = ""
    while True:
        longer = letters + (DOT if len(letters) % (dots + 1) else DASH)
        if longer.count(DASH) + longer.count(DOT) / ratio > budget + 1e-9:
            return with_ratio(letters, ratio)
        letters = longer


POLICIES: dict[str, Callable[..., Plan]] = {"paper": paper_plan, "endpoint": endpoint_plan, "fixed": fixed_plan}
"""Policy in the configuration -> function of (budget, ratio, its settings).
One more, ``auto``, searches for a plan (:mod:`morse.sampling.plan_search`)."""


def policy_plan(budget: int, ratio: float, settings: Mapping[str, Any]) -> Plan:
    """The plan of Dash and Dot by the policy that ``settings`` names.

    Args:
        settings: ``policy``, a name of :data:`POLICIES`, and the policy's own settings under its
            name.

    Raises:
        ValueError: as the policy does; one line, for a policy that is unknown or searches.
    """
    if settings["policy"] not in POLICIES:
        hint = "a policy that searches needs the plan that it chose, as the workflow makes it"
        raise ValueError(f"{unknown('policy of plans', settings['policy'], POLICIES)}; {hint}")
    return POLICIES[settings["policy"]](budget, ratio, **settings[settings["policy"]])


def _check(budget: int, ratio: float) -> None:
    if budget < MIN_BUDGET_WITH_DOT:
        needs = f"one call of Dash and one LSD of Dot's make {MIN_BUDGET_WITH_DOT}"
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
