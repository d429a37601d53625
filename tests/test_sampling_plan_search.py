"""The choice of a plan by its distance to a fine run."""

import pytest
import torch

from morse.dash.base import Dash
from morse.methods.plans import Plan, dash_plan, interleave, morse_plan
from morse.samplers import SAMPLERS
from morse.sampling.plan_search import candidates, choose_plan, fine_run

SHARES = (0.1, 0.25, 0.5)


@pytest.fixture
def dash(gaussian):
    return Dash(torch.nn.Identity(), gaussian, gaussian.schedule, (1, 4, 4))


def perfect(dash):
    return lambda x_s, x_t, eps_s, s, t: dash(x_t, t) - eps_s


def useless(x_s, x_t, eps_s, s, t):
    return torch.ones_like(eps_s)


def choose(dash, dot, plans, sampler=None):
    fine = fine_run(dash, SAMPLERS["ddim"](dash.schedule, 140), images=4, seed=7)
    return choose_plan(dash, dot, sampler or (lambda calls: SAMPLERS["ddim"](dash.schedule, calls)), plans, fine, seed=7)


def test_candidates_are_dash_alone_and_each_share_once():
    assert candidates(8, 5.0, (0.1, 0.12, 0.25, 0.5)) == [
        dash_plan(8),
        morse_plan(8, 5.0, 0.1),
        morse_plan(8, 5.0, 0.25),
        morse_plan(8, 5.0, 0.5),
    ]
    assert candidates(1, 5.0, SHARES) == [dash_plan(1)]


def test_candidates_lean_both_ways():
    plans = candidates(8, 5.0, (0.25, 0.5), (0.7, 1.0, 1.5))
    assert len(plans) == 7 and plans[2] == morse_plan(8, 5.0, 0.25) and plans[3] == morse_plan(8, 5.0, 0.25, 1.5)


def test_a_perfect_dot_is_given_the_most(dash):
    choice = choose(dash, perfect(dash), candidates(8, 5.0, SHARES))
    assert choice.plan == morse_plan(8, 5.0, 0.5)
    assert choice.seconds > 0


def test_a_useless_dot_is_given_nothing(dash):
    assert choose(dash, useless, candidates(8, 5.0, SHARES)).plan == dash_plan(8)


def test_errors_are_the_distances_to_the_fine_run(dash):
    plans = [dash_plan(5), dash_plan(60), Plan(interleave(5, 60), 12.0)]
    choice = choose(dash, perfect(dash), plans)
    (_, coarse), (_, middle), (letters, morse) = choice.errors
    assert letters == plans[2].letters
    assert coarse > 5 * middle > 5 * morse > 0


def test_the_choice_is_the_same_every_time(dash):
    plans = candidates(6, 5.0, SHARES)
    assert choose(dash, perfect(dash), plans).errors == choose(dash, perfect(dash), plans).errors


def test_dot_is_placed_where_it_is_good(dash):
    """A Dot that is perfect at high noise and useless below is used above, Dash below; and the other way round."""

    def good(high):
        return lambda x_s, x_t, eps_s, s, t: (dash(x_t, t) - eps_s) if (t[0] > 500) == high else torch.ones_like(eps_s)

    plans = candidates(8, 5.0, (0.25,), (0.5, 1.0, 2.0))[1:]
    assert choose(dash, good(high=True), plans).plan == morse_plan(8, 5.0, 0.25, 0.5)
    assert choose(dash, good(high=False), plans).plan == morse_plan(8, 5.0, 0.25, 2.0)


def test_a_plan_that_the_sampler_refuses_is_left_out(dash):
    def sampler(calls):
        if calls == len(plans[-1].dash):
            raise ValueError("no such grid")
        return SAMPLERS["ddim"](dash.schedule, calls)

    plans = candidates(8, 5.0, SHARES)
    assert choose(dash, perfect(dash), plans, sampler).plan == plans[-2]
    with pytest.raises(ValueError, match="no plan is left: no such grid"):
        choose(dash, perfect(dash), plans[-1:], sampler)


@pytest.mark.parametrize("kind", ["ddpm", "lcm", "euler-maruyama"])
def test_stochastic_samplers_are_refused(kind, dash):
    with pytest.raises(ValueError, match="is stochastic: its plan cannot be chosen by distance; use the policy 'paper'"):
        fine_run(dash, SAMPLERS[kind](dash.schedule, 50), images=2, seed=0)
