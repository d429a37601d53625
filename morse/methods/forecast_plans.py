"""Plans of the method forecast: Dash's calls, and extrapolations of its estimates between them."""

from __future__ import annotations

import math

from morse.methods.plans import DASH, DOT, Plan, baseline_plan, interleave

FORECAST = "e"
"""The letter of a call that extrapolates Dash's latest estimates."""
MOST_ORDER = 2
"""Of the polynomial through them. The factors of higher ones are large over long gaps."""


def forecast_plan(budget: int, order: int, calls: float) -> Plan:
    """``budget`` calls of Dash, evenly over all calls, and forecasts between them: with 3 LSD and
    2.0 ``DeDeDe``. Forecasts are free in the plan.

    Args:
        budget: n, in LSD.
        order: of the polynomial through Dash's latest estimates.
        calls: all calls of the run over the budget. Their number is rounded down.

    Raises:
        ValueError: for a budget below 1, another order, or fewer calls than the budget.
    """
    dash = baseline_plan(budget).nfe
    if order not in range(MOST_ORDER + 1):
        raise ValueError(f"forecast: order is 0 to {MOST_ORDER}, not {order}")
    if not 1.0 <= calls < math.inf:
        raise ValueError(f"forecast: calls is {calls:g}, not a finite number of 1 or more: all calls over the budget")
    letters = interleave(dash, math.floor(calls * budget + 1e-9) - dash).replace(DOT, FORECAST)
    return Plan(letters, {DASH: 1.0, FORECAST: 0.0}, {"order": order})
