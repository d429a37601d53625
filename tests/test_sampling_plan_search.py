"""The choice of a plan by its distance to a fine run."""

import json

import numpy as np
import pytest
import torch

from morse.dash.base import Dash
from morse.files import DamagedFile, open_npz
from morse.methods.plans import baseline_plan, interleave, paper_plan, with_ratio
from morse.samplers import SAMPLERS
from morse.sampling.plan_search import (
    PLANNING_SEED,
    candidates,
    choose_plan,
    fine_run,
    read_choice,
    save_choice,
    save_fine_run,
)

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
    return choose_plan(
        dash, dot, sampler or (lambda calls: SAMPLERS["ddim"](dash.schedule, calls)), plans, fine, seed=7
    )


def test_candidates_are_dash_alone_and_each_share_once():
    assert candidates(8, 5.0, (0.1, 0.12, 0.25, 0.5)) == [
        baseline_plan(8),
        paper_plan(8, 5.0, 0.1),
        paper_plan(8, 5.0, 0.25),
        paper_plan(8, 5.0, 0.5),
    ]
    assert candidates(1, 5.0, SHARES) == [baseline_plan(1)]


def test_candidates_lean_both_ways():
    plans = candidates(8, 5.0, (0.25, 0.5), (0.7, 1.0, 1.5))
    assert len(plans) == 7 and plans[2] == paper_plan(8, 5.0, 0.25) and plans[3] == paper_plan(8, 5.0, 0.25, 1.5)


def test_a_perfect_dot_is_given_the_most(dash):
    choice = choose(dash, perfect(dash), candidates(8, 5.0, SHARES))
    assert choice.plan == paper_plan(8, 5.0, 0.5)
    assert choice.seconds > 0


def test_a_useless_dot_is_given_nothing(dash):
    assert choose(dash, useless, candidates(8, 5.0, SHARES)).plan == baseline_plan(8)


def test_errors_are_the_distances_to_the_fine_run(dash):
    plans = [baseline_plan(5), baseline_plan(60), with_ratio(interleave(5, 60), 12.0)]
    choice = choose(dash, perfect(dash), plans)
    (_, coarse), (_, middle), (letters, morse) = choice.errors
    assert letters == plans[2].letters
    assert coarse > 5 * middle > 5 * morse > 0


def test_the_choice_is_the_same_every_time(dash):
    plans = candidates(6, 5.0, SHARES)
    assert choose(dash, perfect(dash), plans).errors == choose(dash, perfect(dash), plans).errors


def test_dot_is_placed_where_it_is_good(dash):
    """A Dot that is perfect at high noise alone is used there, and one that is so below, below."""

    def good(high):
        return lambda x_s, x_t, eps_s, s, t: (dash(x_t, t) - eps_s) if (t[0] > 500) == high else torch.ones_like(eps_s)

    plans = candidates(8, 5.0, (0.25,), (0.5, 1.0, 2.0))[1:]
    assert choose(dash, good(high=True), plans).plan == paper_plan(8, 5.0, 0.25, 0.5)
    assert choose(dash, good(high=False), plans).plan == paper_plan(8, 5.0, 0.25, 2.0)


def test_a_plan_that_the_sampler_refuses_is_left_out(dash):
    def sampler(calls):
        if calls == plans[-1].nfe:
            raise ValueError("no such grid")
        return SAMPLERS["ddim"](dash.schedule, calls)

    plans = candidates(8, 5.0, SHARES)
    assert choose(dash, perfect(dash), plans, sampler).plan == plans[-2]
    with pytest.raises(ValueError, match="no plan is left: no such grid"):
        choose(dash, perfect(dash), plans[-1:], sampler)


@pytest.mark.parametrize("kind", ["ddpm", "lcm", "euler-maruyama"])
def test_stochastic_samplers_are_refused(kind, dash):
    with pytest.raises(
        ValueError, match="is stochastic: its plan cannot be chosen by distance; use the policy 'paper'"
    ):
        fine_run(dash, SAMPLERS[kind](dash.schedule, 50), images=2, seed=0)


AUTO, PAPER = {"shares": SHARES, "leans": (1.0,)}, {"dot_share": 0.25}


def saved_choice(dash, sampler, folder):
    """The fine run and the choice of a budget of 8 LSD as files; the choice is returned."""
    save_fine_run(dash, sampler(140), 4, folder / "fine.npz")
    save_choice(dash, perfect(dash), sampler, 8, 5.0, AUTO, PAPER, folder / "fine.npz", folder / "plan.json")
    return json.loads((folder / "plan.json").read_text(encoding="utf-8"))


def test_a_choice_is_written_with_all_that_was_tried(dash, tmp_path):
    choice = saved_choice(dash, lambda calls: SAMPLERS["ddim"](dash.schedule, calls), tmp_path)
    plans = candidates(8, 5.0, SHARES)
    assert choice["plan"] == read_choice(tmp_path / "plan.json") == paper_plan(8, 5.0, 0.5).letters
    assert choice["ratio"] == 5.0 and [one["plan"] for one in choice["candidates"]] == [plan.letters for plan in plans]
    assert min(one["error"] for one in choice["candidates"]) == choice["candidates"][-1]["error"] > 0
    assert choice["seconds"] > 0 and choice["fine_run_seconds"] > 0


def test_a_fine_run_s_file_has_its_images(dash, tmp_path):
    sampler = SAMPLERS["ddim"](dash.schedule, 20)
    save_fine_run(dash, sampler, 3, tmp_path / "fine.npz")
    with open_npz(tmp_path / "fine.npz", "fine run", "") as file:
        np.testing.assert_array_equal(file["images"], fine_run(dash, sampler, 3, PLANNING_SEED).numpy())


def test_a_stochastic_sampler_follows_the_paper(dash, tmp_path):
    choice = saved_choice(dash, lambda calls: SAMPLERS["ddpm"](dash.schedule, calls), tmp_path)
    assert choice["plan"] == paper_plan(8, 5.0, 0.25).letters and choice["candidates"] == []


def test_a_damaged_fine_run_is_one_line(dash, tmp_path):
    (tmp_path / "fine.npz").write_bytes(b"no archive")
    with pytest.raises(DamagedFile, match=r"fine run .*fine\.npz is damaged .*delete it and run again") as error:
        save_choice(dash, None, None, 8, 5.0, AUTO, PAPER, tmp_path / "fine.npz", tmp_path / "plan.json")
    assert "\n" not in str(error.value) and not (tmp_path / "plan.json").exists()
