"""No plan exceeds its budget, for any budget, ratio and share."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from morse.methods.plans import POLICIES, Plan, dash_plan, endpoint_plan, fixed_plan, interleave, morse_plan, reach_end, read_plan

budgets = st.integers(2, 200)
ratios = st.floats(1.5, 20.0) | st.integers(2, 20).map(float)
shares = st.floats(0.01, 0.99) | st.sampled_from([0.1, 0.25, 0.3, 0.5, 0.7])


def gaps(dash):
    """Calls from one of Dash's to the next, or to the end."""
    at = [index for index, is_dash in enumerate(dash) if is_dash]
    return [b - a for a, b in pairwise([*at, len(dash)])]


@given(budgets, ratios, shares)
def test_a_plan_never_exceeds_its_budget(budget, ratio, share):
    plan = morse_plan(budget, ratio, share)
    assert plan.lsd <= budget + 1e-9
    assert plan.lsd > budget - 1 / ratio - 1e-9  # no room for one more call of Dot
    assert len(plan.dash) == plan.dash_calls + plan.dot_calls >= budget
    assert plan.dash_calls + plan.dot_calls / plan.ratio == plan.lsd


@given(budgets, ratios, shares)
def test_dash_is_called_first_and_evenly(budget, ratio, share):
    plan = morse_plan(budget, ratio, share)
    assert plan.dash[0] and plan.dash_calls >= 1 and plan.dot_calls >= 1
    assert max(gaps(plan.dash)) - min(gaps(plan.dash)) <= 1


@given(st.integers(1, 100), st.integers(0, 500))
def test_interleave_has_the_calls_asked_for(dash_calls, dot_calls):
    dash = interleave(dash_calls, dot_calls)
    assert (sum(dash), len(dash), dash[0]) == (dash_calls, dash_calls + dot_calls, True)
    assert max(gaps(dash)) - min(gaps(dash)) <= 1


@given(st.integers(1, 100), st.integers(0, 500), st.floats(0.2, 5.0))
def test_interleave_has_the_calls_asked_for_wherever_they_lean(dash_calls, dot_calls, lean):
    dash = interleave(dash_calls, dot_calls, lean)
    assert (sum(dash), len(dash), dash[0]) == (dash_calls, dash_calls + dot_calls, True)


@given(budgets, ratios, shares, st.floats(0.2, 5.0))
def test_a_leaning_plan_costs_what_the_even_one_does(budget, ratio, share, lean):
    assert morse_plan(budget, ratio, share, lean).lsd == morse_plan(budget, ratio, share).lsd <= budget + 1e-9


@given(st.integers(3, 100), st.integers(1, 500), st.floats(0.2, 5.0))
def test_dash_reaches_the_last_call_but_one(dash_calls, dot_calls, lean):
    dash = reach_end(dash_calls, dot_calls, lean)
    assert (sum(dash), len(dash), dash[0], dash[-2:]) == (dash_calls, dash_calls + dot_calls, True, (True, False))


@given(st.integers(3, 100), st.integers(1, 500))
def test_dash_reaches_the_end_evenly(dash_calls, dot_calls):
    between = gaps(reach_end(dash_calls, dot_calls))[:-1]
    assert max(between) - min(between) <= 1


@given(st.integers(3, 40), st.integers(1, 200), st.floats(0.3, 1.0), st.floats(0.3, 1.0))
def test_less_lean_puts_no_call_of_dash_earlier(dash_calls, dot_calls, one, other):
    def places(lean):
        return [index for index, is_dash in enumerate(reach_end(dash_calls, dot_calls, lean)) if is_dash]

    low, high = sorted([one, other])
    assert all(late >= early for late, early in zip(places(low), places(high), strict=True))


@given(st.integers(1, 2), st.integers(0, 50), st.floats(0.2, 5.0))
def test_two_calls_of_dash_are_even(dash_calls, dot_calls, lean):
    assert reach_end(dash_calls, dot_calls, lean) == interleave(dash_calls, dot_calls)


@given(budgets, ratios, shares, st.floats(0.2, 5.0))
def test_a_plan_to_the_end_costs_what_the_even_one_does(budget, ratio, share, lean):
    plan, even = endpoint_plan(budget, ratio, share, lean), morse_plan(budget, ratio, share)
    assert (plan.dash_calls, plan.dot_calls, plan.lsd) == (even.dash_calls, even.dot_calls, even.lsd)


@given(budgets, shares)
def test_the_share_of_dot_is_rounded_down_to_whole_lsd(budget, share):
    k = budget - morse_plan(budget, 4.0, share).dash_calls
    assert k == max(1, math.floor(budget * share + 1e-9))


@pytest.mark.parametrize(
    ("budget", "ratio", "share", "dash", "dot"),
    [
        (10, 8.0, 0.5, 5, 40),
        (2, 3.0, 0.5, 1, 3),
        (2, 3.0, 0.01, 1, 3),  # one LSD is Dot's at least
        (3, 2.5, 0.99, 1, 5),  # one call is Dash's at least
        (10, 5.7, 0.3, 7, 17),  # 3 x 5.7 = 17.1
        (50, 4.0, 0.58, 21, 116),  # 50 x 0.58 is 29, in floating point a little less
        (30, 8.2, 0.5, 15, 123),  # so is 8.2 x 15
        (2, 3.0, 1 - 1e-12, 1, 3),
        (6, 1.9, 0.2, 5, 1),
    ],
)
def test_worked_plans(budget, ratio, share, dash, dot):
    plan = morse_plan(budget, ratio, share)
    assert (plan.dash_calls, plan.dot_calls) == (dash, dot)


def test_worked_orders():
    def drawn(dash):
        return "".join("D" if is_dash else "." for is_dash in dash)

    assert drawn(interleave(2, 5)) == "D..D..."
    assert drawn(interleave(3, 6)) == "D..D..D.."
    assert drawn(interleave(1, 3)) == "D..."
    assert drawn(interleave(2, 0)) == "DD"
    assert drawn(interleave(3, 1)) == "DDD."
    assert drawn(interleave(4, 4, 2.0)) == "DDD.D..."
    assert drawn(interleave(4, 4, 0.5)) == "D...DDD."
    assert drawn(interleave(3, 6, 5.0)) == "DDD......"
    assert drawn(reach_end(3, 6)) == "D...D..D."
    assert drawn(reach_end(6, 10)) == "D..D..D.D..D..D."
    assert drawn(reach_end(6, 10, 0.8)) == "D...D..D.D..D.D."
    assert drawn(reach_end(3, 1)) == "DDD."
    assert drawn(reach_end(3, 0)) == "DDD"


@pytest.mark.parametrize("policy", POLICIES)
def test_every_policy_makes_plans_within_their_budget(policy):
    settings = {"paper": {"dot_share": 0.25}, "endpoint": {"dot_share": 0.25, "lean": 0.8}, "fixed": {"dots": 3}}[policy]
    for budget in range(2, 101):
        plan = POLICIES[policy](budget, 5.0, **settings)
        assert plan.dash[0] and budget - 1 < plan.lsd <= budget and plan.dot_calls >= 1


def test_the_baseline_is_dash_alone():
    plan = dash_plan(7)
    assert (plan.dash, plan.dash_calls, plan.dot_calls, plan.ratio, plan.lsd) == ((True,) * 7, 7, 0, None, 7.0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: dash_plan(0), "a budget of 0 LSD is too small: a run takes at least 1"),
        (lambda: morse_plan(1, 4.0, 0.5), "a budget of 1 LSD is too small for Morse"),
        (lambda: morse_plan(10, 1.0, 0.5), "the ratio N is 1, not a finite number above 1: Dot must be faster than Dash"),
        (lambda: morse_plan(10, 0.5, 0.5), "the ratio N is 0.5"),
        (lambda: morse_plan(10, -3.0, 0.5), "the ratio N is -3"),
        (lambda: morse_plan(10, math.nan, 0.5), "the ratio N is nan"),
        (lambda: morse_plan(10, math.inf, 0.5), "the ratio N is inf"),
        (lambda: morse_plan(10, 4.0, 0.0), "dot_share lies between 0 and 1, not 0"),
        (lambda: morse_plan(10, 4.0, 1.0), "dot_share lies between 0 and 1, not 1"),
        (lambda: endpoint_plan(1, 4.0, 0.5, 1.0), "a budget of 1 LSD is too small for Morse"),
        (lambda: endpoint_plan(10, 4.0, 1.0, 1.0), "dot_share lies between 0 and 1, not 1"),
        (lambda: morse_plan(10, 4.0, math.nan), "dot_share lies between 0 and 1, not nan"),
        (lambda: Plan(()), "the first call of a plan is Dash's"),
        (lambda: Plan((False, True), 4.0), "the first call of a plan is Dash's"),
        (lambda: Plan((True, False)), "needs the ratio N"),
        (lambda: read_plan("D.x", 4.0), "a plan is written with D for Dash and a point for Dot, not 'D.x'"),
    ],
)
def test_an_impossible_plan_is_an_error_of_one_line(make, message):
    with pytest.raises(ValueError) as error:
        make()
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@given(budgets, ratios, st.integers(1, 30))
def test_a_fixed_plan_fills_its_budget(budget, ratio, dots):
    plan = fixed_plan(budget, ratio, dots)
    assert budget - 1 - 1e-9 <= plan.lsd <= budget + 1e-9
    assert plan.dash[0]
    gap = gaps(plan.dash)
    assert all(g == dots + 1 for g in gap[:-1]) and 1 <= gap[-1] <= dots + 1


def test_a_fixed_plan_and_its_letters():
    assert fixed_plan(4, 4.0, 2).letters == "D..D..D"
    assert dash_plan(3).letters == "DDD"


@given(budgets, ratios, shares)
def test_a_plan_is_read_back_from_its_letters(budget, ratio, share):
    plan = morse_plan(budget, ratio, share)
    assert read_plan(plan.letters, ratio) == plan


def test_a_fixed_plan_without_dots_is_an_error():
    with pytest.raises(ValueError, match="at least 1, not 0"):
        fixed_plan(4, 4.0, 0)
