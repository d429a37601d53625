"""The choice of a plan by its distance to a fine run."""

import pytest
import torch

from morse.budget import Plan, dash_plan, interleave, morse_plan
from morse.dash import Dash
from morse.planning import candidates, choose_plan
from morse.samplers import SAMPLERS

SHARES = (0.1, 0.25, 0.5)


@pytest.fixture
def dash(gaussian):
    return Dash(torch.nn.Identity(), gaussian, gaussian.schedule, (1, 4, 4))


def perfect(dash):
    return lambda x_s, x_t, eps_s, s, t: dash(x_t, t) - eps_s


def useless(x_s, x_t, eps_s, s, t):
    return torch.ones_like(eps_s)


def choose(dash, dot, plans, kind="ddim", images=4, fine_calls=140):
    return choose_plan(dash, dot, lambda calls: SAMPLERS[kind](dash.schedule, calls), plans, images, fine_calls, seed=7)


def test_candidates_are_dash_alone_and_each_share_once():
    assert candidates(8, 5.0, (0.1, 0.12, 0.25, 0.5)) == [
        dash_plan(8),
        morse_plan(8, 5.0, 0.1),
        morse_plan(8, 5.0, 0.25),
        morse_plan(8, 5.0, 0.5),
    ]
    assert candidates(1, 5.0, SHARES) == [dash_plan(1)]


def test_a_perfect_dot_is_given_the_most(dash):
    choice = choose(dash, perfect(dash), candidates(8, 5.0, SHARES))
    assert choice.plan == morse_plan(8, 5.0, 0.5)
    assert choice.seconds > 0


def test_a_useless_dot_is_given_nothing(dash):
    assert choose(dash, useless, candidates(8, 5.0, SHARES)).plan == dash_plan(8)


def test_errors_are_the_distances_to_the_fine_run(dash):
    plans = [dash_plan(5), dash_plan(60), Plan(interleave(5, 60), 12.0)]
    choice = choose(dash, perfect(dash), plans)
    (_, _, coarse), (_, _, middle), (dashes, dots, morse) = choice.errors
    assert (dashes, dots) == (5, 60)
    assert coarse > 5 * middle > 5 * morse > 0


def test_the_choice_is_the_same_every_time(dash):
    plans = candidates(6, 5.0, SHARES)
    assert choose(dash, perfect(dash), plans).errors == choose(dash, perfect(dash), plans).errors


@pytest.mark.parametrize("kind", ["ddpm", "lcm"])
def test_stochastic_samplers_are_refused(kind, dash):
    with pytest.raises(ValueError, match="is stochastic: its plan cannot be chosen by distance; use the policy 'paper'"):
        choose(dash, useless, candidates(4, 5.0, SHARES), kind, fine_calls=50)


def test_a_fine_run_must_be_finer(dash):
    with pytest.raises(ValueError, match="a fine run of 47 calls is not much finer than a candidate of 24; raise fine_calls"):
        choose(dash, useless, candidates(8, 5.0, SHARES), fine_calls=47)
