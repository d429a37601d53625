"""No plan exceeds its budget, for any budget, ratio and share."""

import math
import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from morse.methods.plans import (
    POLICIES,
    Plan,
    baseline_plan,
    endpoint_plan,
    fixed_plan,
    interleave,
    paper_plan,
    policy_plan,
    reach_end,
    with_ratio,
)

budgets = st.integers(2, 200)
ratios = st.floats(1.5, 20.0) | st.integers(2, 20).map(float)
shares = st.floats(0.01, 0.99) | st.sampled_from([0.1, 0.25, 0.3, 0.5, 0.7])


def gaps(letters):
    """Calls from one of Dash's to the next, or to the end."""
    at = [index for index, letter in enumerate(letters) if letter == "D"]
    return [b - a for a, b in pairwise([*at, len(letters)])]


def counts(plan):
    return plan.letters.count("D"), plan.letters.count(".")


@given(budgets, ratios, shares)
def test_a_plan_never_exceeds_its_budget(budget, ratio, share):
    plan = paper_plan(budget, ratio, share)
    assert plan.lsd <= budget + 1e-9
    assert plan.lsd > budget - 1 / ratio - 1e-9  # no room for one more call of Dot
    dash, dot = counts(plan)
    assert plan.nfe == dash + dot >= budget
    assert plan.lsd == pytest.approx(dash + dot / ratio, rel=1e-12)


@given(budgets, ratios, shares)
def test_dash_is_called_first_and_evenly(budget, ratio, share):
    plan = paper_plan(budget, ratio, share)
    assert plan.letters[0] == "D" and min(counts(plan)) >= 1
    assert max(gaps(plan.letters)) - min(gaps(plan.letters)) <= 1


@given(st.integers(1, 100), st.integers(0, 500))
def test_interleave_has_the_calls_asked_for(dash_calls, dot_calls):
    dash = interleave(dash_calls, dot_calls)
    assert (dash.count("D"), len(dash), dash[0]) == (dash_calls, dash_calls + dot_calls, "D")
    assert max(gaps(dash)) - min(gaps(dash)) <= 1


@given(st.integers(1, 100), st.integers(0, 500), st.floats(0.2, 5.0))
def test_interleave_has_the_calls_asked_for_wherever_they_lean(dash_calls, dot_calls, lean):
    dash = interleave(dash_calls, dot_calls, lean)
    assert (dash.count("D"), len(dash), dash[0]) == (dash_calls, dash_calls + dot_calls, "D")


@given(budgets, ratios, shares, st.floats(0.2, 5.0))
def test_a_leaning_plan_costs_what_the_even_one_does(budget, ratio, share, lean):
    assert paper_plan(budget, ratio, share, lean).lsd == paper_plan(budget, ratio, share).lsd <= budget + 1e-9


@given(st.integers(3, 100), st.integers(1, 500), st.floats(0.2, 5.0))
def test_dash_reaches_the_last_call_but_one(dash_calls, dot_calls, lean):
    dash = reach_end(dash_calls, dot_calls, lean)
    assert (dash.count("D"), len(dash), dash[0], dash[-2:]) == (dash_calls, dash_calls + dot_calls, "D", "D.")


@given(st.integers(3, 100), st.integers(1, 500))
def test_dash_reaches_the_end_evenly(dash_calls, dot_calls):
    between = gaps(reach_end(dash_calls, dot_calls))[:-1]
    assert max(between) - min(between) <= 1


@given(st.integers(3, 40), st.integers(1, 200), st.floats(0.3, 1.0), st.floats(0.3, 1.0))
def test_less_lean_puts_no_call_of_dash_earlier(dash_calls, dot_calls, one, other):
    def places(lean):
        return [index for index, letter in enumerate(reach_end(dash_calls, dot_calls, lean)) if letter == "D"]

    low, high = sorted([one, other])
    assert all(late >= early for late, early in zip(places(low), places(high), strict=True))


@given(st.integers(1, 2), st.integers(0, 50), st.floats(0.2, 5.0))
def test_two_calls_of_dash_are_even(dash_calls, dot_calls, lean):
    assert reach_end(dash_calls, dot_calls, lean) == interleave(dash_calls, dot_calls)


@given(budgets, ratios, shares, st.floats(0.2, 5.0))
def test_a_plan_to_the_end_costs_what_the_even_one_does(budget, ratio, share, lean):
    plan, even = endpoint_plan(budget, ratio, share, lean), paper_plan(budget, ratio, share)
    assert (counts(plan), plan.lsd) == (counts(even), even.lsd)


@given(budgets, shares)
def test_the_share_of_dot_is_rounded_down_to_whole_lsd(budget, share):
    k = budget - counts(paper_plan(budget, 4.0, share))[0]
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
    plan = paper_plan(budget, ratio, share)
    assert counts(plan) == (dash, dot)


def test_worked_orders():
    assert interleave(2, 5) == "D..D..."
    assert interleave(3, 6) == "D..D..D.."
    assert interleave(1, 3) == "D..."
    assert interleave(2, 0) == "DD"
    assert interleave(3, 1) == "DDD."
    assert interleave(4, 4, 2.0) == "DDD.D..."
    assert interleave(4, 4, 0.5) == "D...DDD."
    assert interleave(3, 6, 5.0) == "DDD......"
    assert reach_end(3, 6) == "D...D..D."
    assert reach_end(6, 10) == "D..D..D.D..D..D."
    assert reach_end(6, 10, 0.8) == "D...D..D.D..D.D."
    assert reach_end(3, 1) == "DDD."
    assert reach_end(3, 0) == "DDD"


@pytest.mark.parametrize("policy", POLICIES)
def test_every_policy_makes_plans_within_their_budget(policy):
    settings = {"paper": {"dot_share": 0.25}, "endpoint": {"dot_share": 0.25, "lean": 0.8}, "fixed": {"dots": 3}}[
        policy
    ]
    for budget in range(2, 101):
        plan = POLICIES[policy](budget, 5.0, **settings)
        assert plan.letters[0] == "D" and budget - 1 < plan.lsd <= budget + 1e-9 and counts(plan)[1] >= 1
        assert plan == policy_plan(budget, 5.0, {"policy": policy, policy: settings})


def test_the_baseline_is_dash_alone():
    plan = baseline_plan(7)
    assert (plan.letters, plan.nfe, plan.costs, plan.lsd) == ("D" * 7, 7, {"D": 1.0}, 7.0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: baseline_plan(0), "a budget of 0 LSD is too small: a run takes at least 1"),
        (lambda: paper_plan(1, 4.0, 0.5), "a budget of 1 LSD is too small for Morse"),
        (
            lambda: paper_plan(10, 1.0, 0.5),
            "the ratio N is 1, not a finite number above 1: Dot must be faster than Dash",
        ),
        (lambda: paper_plan(10, 0.5, 0.5), "the ratio N is 0.5"),
        (lambda: paper_plan(10, -3.0, 0.5), "the ratio N is -3"),
        (lambda: paper_plan(10, math.nan, 0.5), "the ratio N is nan"),
        (lambda: paper_plan(10, math.inf, 0.5), "the ratio N is inf"),
        (lambda: paper_plan(10, 4.0, 0.0), "dot_share lies between 0 and 1, not 0"),
        (lambda: paper_plan(10, 4.0, 1.0), "dot_share lies between 0 and 1, not 1"),
        (lambda: endpoint_plan(1, 4.0, 0.5, 1.0), "a budget of 1 LSD is too small for Morse"),
        (lambda: endpoint_plan(10, 4.0, 1.0, 1.0), "dot_share lies between 0 and 1, not 1"),
        (lambda: paper_plan(10, 4.0, math.nan), "dot_share lies between 0 and 1, not nan"),
        (lambda: Plan(""), "the first call of a plan is Dash's"),
        (lambda: with_ratio(".D", 4.0), "the first call of a plan is Dash's"),
        (lambda: Plan("D."), "a plan's letters are D, not '.'; give the cost of each kind of call"),
        (lambda: with_ratio("D.x", 4.0), "a plan's letters are D, ., not 'x'"),
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
    assert plan.letters[0] == "D"
    gap = gaps(plan.letters)
    assert all(g == dots + 1 for g in gap[:-1]) and 1 <= gap[-1] <= dots + 1


def test_a_fixed_plan_and_its_letters():
    assert fixed_plan(4, 4.0, 2).letters == "D..D..D"
    assert baseline_plan(3).letters == "DDD"


@pytest.mark.parametrize(
    ("policy", "message"),
    [("papr", "unknown policy of plans 'papr'; did you mean 'paper'?"), ("auto", "needs the plan that it chose")],
)
def test_an_unknown_or_searching_policy_is_one_line(policy, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        policy_plan(6, 5.0, {"policy": policy})


def test_each_kind_of_call_has_its_cost():
    plan = Plan("Dc.cD", {"D": 1.0, ".": 0.2, "c": 0.01})
    assert plan.lsd == pytest.approx(2.22) and plan.nfe == 5


def test_a_fixed_plan_without_dots_is_an_error():
    with pytest.raises(ValueError, match="at least 1, not 0"):
        fixed_plan(4, 4.0, 0)
