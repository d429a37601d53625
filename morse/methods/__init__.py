"""Methods: which network answers each call of a sampler. A registry, plans over a budget, and one
predictor per file.

A new method is a module here with a predictor, and an entry in :data:`METHODS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from morse.methods.forecast_plans import FORECAST, MOST_ORDER, forecast_plan
from morse.methods.plans import DASH, DOT, MIN_BUDGET_WITH_DOT, Plan, baseline_plan, policy_plan
from morse.registry import resolve, unknown

BASELINE, MORSE = "baseline", "morse"
"""Dash alone, the reference of all speedups; and the method that this library is about."""


@dataclass(frozen=True)
class Method:
    """One way to spend a budget.

    Attributes:
        caption: its name in figures and tables.
        colour, marker, line: its look in figures. Colours are Okabe and Ito's.
        networks: those of "dash" and "dot" that it loads.
        calls: its kinds of call, letter -> what answers. In this order they are a short plan.
        plan: function (budget in LSD, the card's nominal N, the method's settings in the
            configuration) -> the plan.
        predictor: "module:function", a function (networks by name, plan) ->
            :class:`morse.methods.base.Predictor`. A string, so that reading a configuration loads
            no torch.
        least_budget: the smallest budget, in LSD.
        timed: a plan with each kind of call, on which latencies are measured
            (:func:`morse.sampling.call_costs.timed_round`); empty: ``calls`` in their order.
    """

    caption: str
    colour: str
    marker: str
    line: str
    networks: tuple[str, ...]
    calls: Mapping[str, str]
    plan: Callable[[int, float, Mapping[str, Any]], Plan]
    predictor: str
    least_budget: int = 1
    timed: str = ""

    def make_predictor(self, networks: Mapping[str, Any], plan: Plan) -> Any:
        """The predictor that follows a plan.

        Args:
            networks: "dash", and "dot" where the method needs it, as functions on tensors.
        """
        return resolve(self.predictor)(networks, plan)


METHODS: dict[str, Method] = {
    BASELINE: Method(
        caption="baseline (Dash only)",
        colour="#0072B2",
        marker="o",
        line="--",
        networks=("dash",),
        calls={DASH: "Dash"},
        plan=lambda budget, ratio, settings: baseline_plan(budget),
        predictor="morse.methods.baseline:predictor",
    ),
    MORSE: Method(
        caption="Morse (Dash + Dot)",
        colour="#D55E00",
        marker="s",
        line="-",
        networks=("dash", "dot"),
        calls={DASH: "Dash", DOT: "Dot"},
        plan=policy_plan,
        predictor="morse.methods.morse:predictor",
        least_budget=MIN_BUDGET_WITH_DOT,
    ),
    "forecast": Method(
        caption="forecast (Dash extrapolated)",
        colour="#009E73",
        marker="^",
        line="-.",
        networks=("dash",),
        calls={DASH: "Dash", FORECAST: "extrapolation"},
        plan=lambda budget, ratio, settings: forecast_plan(budget, **settings),
        predictor="morse.methods.forecast:predictor",
        timed=DASH * (MOST_ORDER + 1) + FORECAST,  # a call that reads as many estimates as any
    ),
}
"""Name in the configuration -> the method."""


def method_named(name: str) -> Method:
    """The method of this name. Raises ValueError with the nearest name for an unknown one."""
    if name not in METHODS:
        raise ValueError(unknown("method", name, METHODS))
    return METHODS[name]


def networks_of(names: Iterable[str]) -> tuple[str, ...]:
    """The networks that any of these methods loads, each once."""
    return tuple(dict.fromkeys(network for name in names for network in METHODS[name].networks))
