"""Every registered method: its plans, its predictor, and how it is told from the others."""

import pytest
import torch

from morse.experiments.cards import ROOT, SEARCH
from morse.experiments.yaml import read_yaml
from morse.methods import BASELINE, METHODS, method_named
from morse.methods.plans import DASH, POLICIES, Plan
from morse.samplers.ddim import DDIM
from morse.sampling.loop import draw, trajectory
from morse.seeds import generator

CONFIG = read_yaml(ROOT / "config" / "config.yaml")
RATIOS = (1.5, 5.0, 8.2, 20.0)


def settings_of(name):
    """All settings that a method's plans may have: one for each policy, where it has policies."""
    settings = CONFIG.get(name, {})
    if "policy" not in settings:
        return [settings]
    policies = [policy for policy in settings if policy in POLICIES]
    assert {*policies, SEARCH, "policy"} >= set(settings)
    return [{"policy": policy, policy: settings[policy]} for policy in policies]


CASES = [(name, settings) for name in METHODS for settings in settings_of(name)]
every_method = pytest.mark.parametrize("name", list(METHODS))
every_case = pytest.mark.parametrize(
    ("name", "settings"), CASES, ids=[f"{name}-{settings.get('policy', 'plain')}" for name, settings in CASES]
)


def networks_of(name, gaussian):
    """What the method loads and nothing else: Dash is known exactly, Dot's residual is small."""
    known = {"dash": gaussian, "dot": lambda x_s, x_t, eps_s, s, t: 0.1 * (x_t - x_s)}
    return {network: known[network] for network in METHODS[name].networks}


@every_case
def test_a_plan_never_exceeds_its_budget(name, settings):
    method = METHODS[name]
    for budget in [*range(method.least_budget, 121), 500, 1000]:
        for ratio in RATIOS:
            plan = method.plan(budget, ratio, settings)
            assert 0 < plan.lsd <= budget + 1e-9, (budget, ratio)
            assert plan.letters[0] == DASH and plan.costs[DASH] == 1.0
            assert set(plan.letters) <= set(method.calls) and set(plan.costs) <= set(method.calls)


@every_case
def test_more_budget_is_no_fewer_calls(name, settings):
    method = METHODS[name]
    for ratio in RATIOS:
        calls = [method.plan(budget, ratio, settings).nfe for budget in range(method.least_budget, 121)]
        assert calls == sorted(calls) and calls[0] >= 1 and calls[-1] > calls[0]


@every_case
def test_a_budget_below_the_least_is_one_line(name, settings):
    for budget in range(METHODS[name].least_budget):
        with pytest.raises(ValueError, match=f"a budget of {budget} LSD is too small") as error:
            METHODS[name].plan(budget, 5.0, settings)
        assert "\n" not in str(error.value)


@every_case
def test_a_predictor_follows_the_letters_of_its_plan(name, settings, schedule, gaussian):
    plan = METHODS[name].plan(METHODS[name].least_budget + 4, 5.0, settings)
    predictor = METHODS[name].make_predictor(networks_of(name, gaussian), plan)
    for _ in range(2):  # a run leaves nothing behind
        assert_follows(predictor, plan, schedule)


def assert_follows(predictor, plan, schedule):
    predictor.begin()
    assert predictor.letters == ""
    x = torch.randn(2, 1, 4, 4, generator=generator(0), dtype=torch.float64)
    for index, t in enumerate(DDIM(schedule, plan.nfe).times):
        assert predictor(x, t).shape == x.shape
        assert predictor.letters == plan.letters[: index + 1]


@every_case
def test_a_run_ends_with_finite_images(name, settings, schedule, gaussian):
    """Also by a sampler that adds noise, of which the predictor is told."""
    plan = METHODS[name].plan(METHODS[name].least_budget + 4, 5.0, settings)
    predictor = METHODS[name].make_predictor(networks_of(name, gaussian), plan)
    for eta in (0.0, 1.0):
        generators = [generator(0, index) for index in range(2)]
        sampler = DDIM(schedule, plan.nfe, eta=eta)
        assert trajectory(predictor, sampler, draw(generators, (1, 4, 4)), generators).isfinite().all()
        assert predictor.letters == plan.letters


@every_method
def test_a_plan_of_dash_alone_is_dash(name, schedule, gaussian):
    predictor = METHODS[name].make_predictor(networks_of(name, gaussian), Plan(DASH))
    x = torch.randn(2, 1, 4, 4, generator=generator(0), dtype=torch.float64)
    torch.testing.assert_close(predictor(x, 999.0), gaussian(x, torch.full((2,), 999.0)), rtol=0, atol=0)


@every_method
def test_a_plan_with_a_foreign_letter_is_refused(name, gaussian):
    foreign = Plan("D?D", {DASH: 1.0, "?": 0.1})
    with pytest.raises(ValueError, match=r"D\?D") as error:
        METHODS[name].make_predictor(networks_of(name, gaussian), foreign)
    assert "\n" not in str(error.value)


@every_method
def test_its_kinds_of_call_are_a_short_plan_with_captions(name, schedule, gaussian):
    calls = METHODS[name].calls
    assert all(len(letter) == 1 for letter in calls) and all(calls.values())
    for letters in {"".join(calls), METHODS[name].timed or "".join(calls)}:  # latencies are measured by one
        assert set(letters) == set(calls)
        plan = Plan(letters, dict.fromkeys(calls, 1.0))
        assert_follows(METHODS[name].make_predictor(networks_of(name, gaussian), plan), plan, schedule)


@every_method
def test_it_needs_dash_at_least(name):
    assert METHODS[name].networks[0] == "dash" and set(METHODS[name].networks) <= {"dash", "dot"}


@pytest.mark.parametrize("attribute", ["caption", "colour", "marker"])
def test_no_two_methods_look_alike(attribute):
    looks = [getattr(method, attribute) for method in METHODS.values()]
    assert all(looks) and len(set(looks)) == len(METHODS)


def test_kinds_of_call_with_one_letter_are_one_kind():
    """Latencies are measured once for each letter."""
    captions = {(letter, caption) for method in METHODS.values() for letter, caption in method.calls.items()}
    assert len({letter for letter, _ in captions}) == len(captions)


def test_the_baseline_spends_a_budget_on_as_many_calls_of_dash():
    for budget in (1, 2, 7, 100):
        plan = METHODS[BASELINE].plan(budget, 5.0, {})
        assert (plan.letters, plan.lsd) == (DASH * budget, budget)
    assert METHODS[BASELINE].networks == ("dash",)


def test_a_method_is_found_by_its_name():
    assert all(method_named(name) is method for name, method in METHODS.items())
    with pytest.raises(ValueError, match=r"^unknown method 'basline'; did you mean 'baseline'\?$"):
        method_named("basline")
