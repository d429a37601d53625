"""Costs of calls, with a clock that the stubs turn: of the arithmetic, not of this machine."""

import json
import math
from types import SimpleNamespace

import pytest
import torch

from morse.runtime import latency
from morse.runtime.flops import flops
from morse.runtime.latency import WARM_UP, Clock, fastest, inputs, measure, median_interval


class Calls:
    """In round k a call D takes 6 units and a call . takes ``dot(k)``, times ``drift(k)``.

    Both are noted.
    """

    def __init__(self, monkeypatch, dot=lambda k: 2.0, drift=lambda k: 1.0):
        self.now, self.log, self.of_dot, self.drift, self.round = 100.0, [], dot, drift, -WARM_UP - 1
        monkeypatch.setattr(latency, "time", SimpleNamespace(perf_counter=lambda: self.now))

    def take(self, letter, seconds):
        self.now += seconds * self.drift(self.round)
        self.log.append((letter, torch.is_inference_mode_enabled()))
        return letter

    def one_round(self, clock):
        self.round += 1
        assert clock("D", lambda: self.take("D", 6.0)) == "D"
        assert clock(".", lambda: self.take(".", self.of_dot(self.round))) == "."

    def measure(self, repetitions=7, unit="D"):
        executions = {"dash": "eager", "dot": "compiled"}
        return measure(self.one_round, unit, executions, batch_size=5, repetitions=repetitions)


def test_kinds_of_call_are_timed_in_turn_without_gradients(monkeypatch):
    calls = Calls(monkeypatch)
    calls.measure(7)
    assert calls.log == [("D", True), (".", True)] * (WARM_UP + 7)


def test_a_cost_is_the_call_s_seconds_over_those_of_the_unit(monkeypatch):
    found = Calls(monkeypatch).measure()
    assert found.seconds == {"D": 6.0, ".": 2.0}
    assert found.costs == {"D": 1.0, ".": pytest.approx(1 / 3)}
    assert found.intervals == {"D": (1.0, 1.0), ".": pytest.approx((1 / 3, 1 / 3))}


def test_any_kind_of_call_may_be_the_unit(monkeypatch):
    assert Calls(monkeypatch).measure(unit=".").costs == {"D": 3.0, ".": 1.0}


def test_a_round_without_the_unit_is_one_line(monkeypatch):
    message = r"^a round of calls D, \. has no c, whose latency is the unit$"
    with pytest.raises(ValueError, match=message):
        Calls(monkeypatch).measure(unit="c")


def test_warm_up_does_not_count(monkeypatch):
    found = Calls(monkeypatch, dot=lambda k: 50.0 if k < 0 else 2.0).measure()
    assert (found.seconds["."], found.intervals["."]) == (2.0, pytest.approx((1 / 3, 1 / 3)))
    assert found.warm_up_seconds == WARM_UP * 56.0


def test_a_machine_that_slows_down_does_not_change_the_costs(monkeypatch):
    found = Calls(monkeypatch, drift=lambda k: 1.5**k).measure()
    assert found.costs["."] == pytest.approx(1 / 3) and found.intervals["."] == pytest.approx((1 / 3, 1 / 3))
    assert found.seconds["D"] == pytest.approx(6.0 * 1.5**3)


def test_a_cost_is_the_median_of_the_rounds_and_not_that_of_the_medians(monkeypatch):
    of_dot = [6.0, 3.0, 2.0, 1.5, 1.2, 1.0, 0.01]
    pauses = [1, 10, 1, 10, 1, 1, 1]
    found = Calls(monkeypatch, dot=lambda k: of_dot[k], drift=lambda k: pauses[k]).measure()
    assert found.seconds == pytest.approx({"D": 6.0, ".": 2.0})
    assert found.costs["."] == pytest.approx(1.5 / 6)
    assert found.intervals["."] == pytest.approx((0.01 / 6, 6.0 / 6))  # of seven values it is their whole range


def test_of_many_rounds_the_interval_is_narrower_than_their_range(monkeypatch):
    found = Calls(monkeypatch, dot=lambda k: 1.0 + k).measure(15)
    assert found.costs["."] == pytest.approx(8 / 6)
    assert found.intervals["."] == pytest.approx((4 / 6, 12 / 6))


def test_of_a_call_that_a_round_makes_again_the_first_counts(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(latency, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    clock = Clock("cpu")
    for letter, seconds in (("D", 6.0), (".", 2.0), ("D", 9.0)):
        clock(letter, lambda seconds=seconds: now.__setitem__(0, now[0] + seconds))
    assert clock.seconds == {"D": 6.0, ".": 2.0}


def test_a_clock_on_a_gpu_waits_for_it_before_and_after(monkeypatch):
    log = []
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: log.append(str(device)))
    assert Clock("cuda:0")("D", lambda: log.append("call")) is None
    assert log == ["cuda:0", "call", "cuda:0"]


def test_record_is_json_and_says_how_it_was_taken(monkeypatch):
    record = json.loads(json.dumps(Calls(monkeypatch, dot=lambda k: 3.0).measure(4).record()))
    assert record == {
        "seconds": {"D": 6.0, ".": 3.0},
        "costs": {"D": 1.0, ".": 0.5},
        "intervals": {"D": [1.0, 1.0], ".": [0.5, 0.5]},
        "batch_size": 5,
        "repetitions": 4,
        "executions": {"dash": "eager", "dot": "compiled"},
        "warm_up_seconds": WARM_UP * 9.0,
        "device": "cpu",
        "threads": torch.get_num_threads(),
        "dtype": "float32",
        "tf32": False,
    }


def test_the_real_clock_gives_positive_seconds():
    def one_round(clock):
        for letter in "D.":
            clock(letter, lambda: torch.zeros(1))

    found = measure(one_round, "D", {"dash": "eager"}, batch_size=1, repetitions=3)
    assert min(*found.seconds.values(), *found.intervals["."], found.warm_up_seconds) > 0
    assert found.intervals["."][0] <= found.costs["."] <= found.intervals["."][1]


@pytest.mark.parametrize(("network", "count"), [("dash", 2), ("dot", 5)])
def test_the_fastest_execution_is_of_the_median_in_turn_after_warm_up(monkeypatch, network, count):
    """Compiled calls take less but for the first, and a pause. Drift falls on all calls alike."""
    now, log = [0.0], []
    monkeypatch.setattr(latency, "time", SimpleNamespace(perf_counter=lambda: now[0]))

    def executable(call, name, device):
        def run(*given):
            assert len(given) == count and given[0].shape == (5, 3, 8, 8)
            rounds = log.count(name)
            pause = {("compiled", 0): 90.0, ("compiled", WARM_UP + 2): 50.0}.get((name, rounds), 0.0)
            now[0] += {"eager": 3.0, "compiled": 2.0}[name] * 1.2**rounds + pause
            log.append(name)
            return given[0]

        return run

    monkeypatch.setattr(latency, "executable", executable)
    found = fastest(network, None, (3, 8, 8), batch_size=5, repetitions=5)
    assert log == ["eager", "compiled"] * (WARM_UP + 5)
    assert found["execution"] == "compiled" and found["warm_up_seconds"]["compiled"] > 90.0
    expected = {"eager": 3.0 * 1.2 ** (WARM_UP + 2), "compiled": 2.0 * 1.2 ** (WARM_UP + 3)}
    assert found["seconds"] == pytest.approx(expected)
    assert (found["batch_size"], found["repetitions"]) == (5, 5)


def test_an_execution_that_gains_nothing_is_not_chosen(monkeypatch):
    monkeypatch.setattr(latency, "time", SimpleNamespace(perf_counter=lambda: 0.0))
    monkeypatch.setattr(latency, "executable", lambda call, name, device: call)
    assert fastest("dash", lambda x, t: x, (1, 4, 4), batch_size=1, repetitions=2)["execution"] == "eager"


def test_inputs_are_one_noise_and_two_timesteps_in_order():
    (x, now), (*three, s, t) = inputs((3, 8, 8), 5, "cpu")
    assert (x.shape, s.shape, t.shape) == ((5, 3, 8, 8), (5,), (5,)) and (s > t).all()
    assert torch.equal(now, t) and x.std() == pytest.approx(1.0, abs=0.1)
    assert all(torch.equal(other, x) for other in [*three, inputs((3, 8, 8), 5, "cpu")[0][0]])


def test_inputs_of_networks_with_classes_end_with_one_for_each_image():
    classes = torch.zeros(5, dtype=torch.int64)
    of_dash, of_dot = inputs((3, 8, 8), 5, "cpu", (classes,))
    assert (len(of_dash), len(of_dot)) == (3, 6)
    assert of_dash[-1] is of_dot[-1] is classes


@pytest.mark.parametrize(("n", "places"), [(3, (1, 3)), (6, (1, 6)), (15, (4, 12)), (30, (10, 21))])
def test_the_median_s_interval_keeps_95_percent_and_no_narrower_one_does(n, places):
    values = [float(value) for value in range(n, 0, -1)]
    assert median_interval(values) == places
    kept = [1.0 - 2.0 * sum(math.comb(n, i) for i in range(k)) / 2**n for k in (places[0], places[0] + 1)]
    assert kept[1] < 0.95 and (kept[0] >= 0.95 or places[0] == 1)


def test_flops_are_two_for_each_multiply_add_of_an_image():
    torch.manual_seed(0)
    wide, narrow = torch.nn.Conv2d(3, 12, 3, padding=1), torch.nn.Conv2d(9, 2, 1)

    def dot(x_s, x_t, eps_s, s, t):
        return narrow(torch.cat([x_s, x_t, eps_s], 1))

    expected = {"dash": 2 * 12 * 3 * 9 * 64, "dot": 2 * 2 * 9 * 64}
    assert flops(lambda x, t: wide(x), dot, (3, 8, 8)) == expected
    assert flops(lambda x, t: wide(x), None, (3, 8, 8)) == {"dash": expected["dash"]}


def test_flops_of_attention_are_counted_on_every_device():
    queries = torch.randn(1, 2, 64, 16)  # (B, heads, positions, width)

    def attention(x, t):
        return torch.nn.functional.scaled_dot_product_attention(queries, queries, queries)

    found = flops(attention, None, (3, 8, 8))["dash"]
    assert found == 2 * (2 * 2 * 64 * 64 * 16)  # two products of 64 x 16 x 64 for each head
