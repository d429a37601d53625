"""Costs of each kind of call as predictors make it, with stub networks and a clock they turn."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from networks import tiny_zoo

from morse.dash.base import Dash
from morse.dot.loading import own_parameters
from morse.methods import METHODS, MORSE, Method
from morse.provenance import provenance
from morse.runtime import latency
from morse.runtime.execution import save_execution
from morse.runtime.latency import WARM_UP, Clock
from morse.samplers.ddim import ddim_step
from morse.sampling import call_costs
from morse.sampling.call_costs import measure_calls, measure_model, timed_round

SHAPE = (3, 8, 8)


class Networks:
    """Dash takes 6 units and Dot 2. Both note what they are given, and answer with some of it."""

    def __init__(self, schedule):
        self.schedule, self.now, self.log = schedule, 0.0, []

    def dash(self, x, t):
        self.now += 6.0
        self.log.append(("D", x, t))
        return 0.9 * x + 0.1

    def dot(self, x_s, x_t, eps_s, s, t):
        self.now += 2.0
        self.log.append((".", x_s, x_t, eps_s, s, t))
        return 0.01 * x_t

    def round(self, *methods, batch_size=5):
        functions = {"dash": self.dash, "dot": self.dot}
        return timed_round(methods, functions, self.schedule, SHAPE, batch_size)

    def letters(self):
        return "".join(entry[0] for entry in self.log)

    def as_dash(self):
        return Dash(torch.nn.Identity(), self.dash, self.schedule, SHAPE)


class Cached:
    """Calls Dash, then gives its last estimate, which takes half a unit and no network."""

    def __init__(self, networks, plan):
        self.dash, self.plan, self.letters = networks["dash"], plan, ""

    def begin(self):
        self.letters = ""

    def __call__(self, x, t):
        self.letters += self.plan.letters[len(self.letters)]
        if self.letters[-1] == "D":
            self.last = self.dash(x, torch.full((len(x),), t))
        else:
            CLOCK.networks.now += 0.5
            CLOCK.networks.log.append(("c", x))
        return self.last

    def renew_noise(self, noise, share, schedule):
        pass


CLOCK = SimpleNamespace(networks=None)
"""The networks of the test that runs: a predictor that calls none turns their clock too."""


@pytest.fixture
def networks(schedule, monkeypatch):
    CLOCK.networks = Networks(schedule)
    monkeypatch.setattr(latency, "time", SimpleNamespace(perf_counter=lambda: CLOCK.networks.now))
    cached = Method(
        caption="cached",
        colour="#000000",
        marker="x",
        line=":",
        networks=("dash",),
        calls={"D": "Dash", "c": "its last estimate"},
        plan=None,
        predictor="test_sampling_call_costs:Cached",
    )
    monkeypatch.setitem(METHODS, "cached", cached)
    return CLOCK.networks


def test_a_round_makes_each_kind_of_call_once(networks):
    one_round, clock = networks.round(MORSE), Clock("cpu")
    one_round(clock)
    assert networks.letters() == "D."
    assert clock.seconds == {"D": 6.0, ".": 2.0}


def test_inputs_are_those_of_a_run(networks, schedule):
    """What Dot sees is a step of DDIM from what Dash saw, with Dash's own estimate."""
    networks.round(MORSE)(Clock("cpu"))
    (_, x, at), (_, x_s, x_t, eps_s, s, t) = networks.log
    assert x.shape == x_t.shape == (5, *SHAPE) and s.shape == t.shape == (5,)
    assert torch.equal(x_s, x) and torch.equal(eps_s, 0.9 * x + 0.1) and torch.equal(s, at)
    torch.testing.assert_close(x_t, ddim_step(schedule, x, eps_s, s[0].item(), t[0].item()))
    assert not torch.allclose(x_t, x_s, atol=0.01) and not torch.allclose(eps_s, x_s, atol=0.01)
    assert schedule.t_max > s[0] > t[0] > schedule.t_min


def test_every_round_is_the_same(networks):
    one_round = networks.round(MORSE)
    one_round(Clock("cpu"))
    one_round(Clock("cpu"))
    first, second = networks.log[:2], networks.log[2:]
    for before, after in zip(first, second, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(before[1:], after[1:], strict=True))


def test_a_learned_variance_is_no_part_of_the_sample(networks):
    networks.dash = lambda x, t: torch.cat([0.9 * x, x.square()], dim=1)
    networks.round(MORSE)(Clock("cpu"))
    (_, x_s, x_t, eps_s, _, _) = networks.log[-1]
    assert x_s.shape == x_t.shape == eps_s.shape == (5, *SHAPE)


@pytest.mark.parametrize("methods", [("baseline", "morse"), ("morse", "baseline"), ("morse",)])
def test_methods_share_dash_s_call(networks, methods):
    networks.round(*methods)(Clock("cpu"))
    assert networks.letters() == "D."


def test_the_baseline_alone_needs_no_dot(networks):
    found = measure_calls(networks.as_dash(), None, ["baseline"], {"dash": "eager"}, batch_size=5, repetitions=4)
    assert networks.letters() == "D" * (WARM_UP + 4)
    assert (found.costs, found.executions) == ({"D": 1.0}, {"dash": "eager"})


def test_calls_are_timed_in_turn(networks):
    found = measure_calls(
        networks.as_dash(), networks.dot, ["morse"], {"dash": "eager", "dot": "eager"}, batch_size=5, repetitions=4
    )
    assert networks.letters() == "D." * (WARM_UP + 4)
    assert found.seconds == pytest.approx({"D": 6.0, ".": 2.0})
    assert found.costs == pytest.approx({"D": 1.0, ".": 1 / 3})
    assert (found.batch_size, found.repetitions, found.executions) == (5, 4, {"dash": "eager", "dot": "eager"})


def test_a_call_that_uses_no_network_has_its_measured_cost(networks):
    found = measure_calls(networks.as_dash(), None, ["cached"], {"dash": "eager"}, batch_size=5, repetitions=4)
    assert networks.letters() == "Dc" * (WARM_UP + 4)
    assert found.costs == pytest.approx({"D": 1.0, "c": 0.5 / 6})


def test_a_method_may_say_on_which_plan_it_is_timed(networks, monkeypatch):
    monkeypatch.setitem(METHODS, "cached", replace(METHODS["cached"], timed="DDDc"))
    found = measure_calls(networks.as_dash(), None, ["cached"], {"dash": "eager"}, batch_size=5, repetitions=4)
    assert networks.letters() == "DDDc" * (WARM_UP + 4)
    assert found.costs == pytest.approx({"D": 1.0, "c": 0.5 / 6})


def test_methods_with_calls_of_their_own_are_all_measured(networks):
    executions = {"dash": "eager", "dot": "eager"}
    methods = ["baseline", "morse", "cached"]
    found = measure_calls(networks.as_dash(), networks.dot, methods, executions, batch_size=5, repetitions=4)
    assert found.costs == pytest.approx({"D": 1.0, ".": 1 / 3, "c": 0.5 / 6})
    assert sorted(networks.letters()[: len("D.Dc")]) == sorted("D.Dc")


def test_networks_are_measured_as_they_are_executed(networks, monkeypatch):
    """A compiled network here takes half of the time."""

    def executable(network, execution, device):
        def halved(*inputs):
            before, estimate = networks.now, network(*inputs)
            networks.now = (before + networks.now) / 2
            return estimate

        return halved if execution == "compiled" else network

    monkeypatch.setattr(call_costs, "executable", executable)
    executions = {"dash": "eager", "dot": "compiled"}
    found = measure_calls(networks.as_dash(), networks.dot, ["morse"], executions, batch_size=5, repetitions=4)
    assert found.costs["."] == pytest.approx(1 / 6) and found.executions == executions


@pytest.fixture
def zoo(tmp_path):
    return tiny_zoo(tmp_path)


SETTINGS = {"batch_sizes": [2, 1], "executions": [], "repetitions": 2}


def test_a_model_s_record_has_the_run_s_own_batch_size_first(zoo):
    card, dot = zoo
    measurements, flops, parameters, layout = measure_model(card, ["baseline", "morse"], dot, [], "eager", 3, SETTINGS)
    assert [found["batch_size"] for found in measurements] == [3, 2, 1]
    for found in measurements:
        assert (found["repetitions"], found["executions"]) == (2, {"dash": "eager", "dot": "eager"})
        assert found["costs"]["D"] == 1.0 and set(found["costs"]) == {"D", "."} and min(found["seconds"].values()) > 0
    assert flops["dash"] > 0 and flops["dot"] > 0 and layout == "channels_last"
    assert parameters["dot_own"] == own_parameters(card)
    assert 1000 < parameters["dash"] and 0 < parameters["dot_own"] < parameters["dot"]


def test_a_model_of_baselines_alone_has_no_dot(zoo):
    card, _ = zoo
    without = {key: value for key, value in card.items() if key != "dot"}
    measurements, flops, parameters, _ = measure_model(without, ["baseline"], None, [], "eager", 2, SETTINGS)
    assert [set(found["costs"]) for found in measurements] == [{"D"}, {"D"}]
    assert (set(flops), set(parameters)) == ({"dash"}, {"dash"})


@pytest.mark.parametrize(
    ("execution", "others", "expected"),
    [
        ("eager", [], ["eager"]),
        ("eager", ["compiled", "eager"], ["eager", "compiled"]),
        ("compiled", ["eager"], ["compiled", "eager"]),
    ],
)
def test_the_run_s_own_execution_comes_first_and_each_once(zoo, monkeypatch, execution, others, expected):
    asked, (card, dot) = [], zoo

    def measured(dash, dot, methods, executions, batch_size, repetitions, device):
        asked.append((executions, batch_size))
        return SimpleNamespace(record=dict)

    monkeypatch.setattr(call_costs, "measure_calls", measured)
    measure_model(card, ["morse"], dot, [], execution, 4, SETTINGS | {"batch_sizes": [4, 1], "executions": others})
    assert asked == [({"dash": name, "dot": name}, size) for name in expected for size in (4, 1)]


def test_the_best_execution_is_that_of_the_files(zoo, tmp_path, monkeypatch):
    asked, (card, dot) = [], zoo
    files = [tmp_path / "dash.json", tmp_path / "dot.json"]
    for file, name in zip(files, ("compiled", "eager"), strict=True):
        save_execution("twin", "dash", {"execution": name}, provenance(), file)

    def measured(dash, dot, methods, executions, *_):
        asked.append(executions)
        return SimpleNamespace(record=dict)

    monkeypatch.setattr(call_costs, "measure_calls", measured)
    measure_model(card, ["morse"], dot, files, "best", 4, SETTINGS | {"batch_sizes": []})
    assert asked == [{"dash": "compiled", "dot": "eager"}]
