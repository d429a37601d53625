"""The ratio N, with a clock that the stubs turn: what is tested is the arithmetic, not this machine."""

import json
import math
from types import SimpleNamespace

import pytest
import torch

from morse.runtime import latency
from morse.runtime.flops import flops
from morse.runtime.latency import WARM_UP, fastest, measure, median_interval


class Networks:
    """Dash takes 6 units and Dot ``dot(k)``, times ``drift(k)`` of the machine, in repetition k; both note what they were asked."""

    def __init__(self, monkeypatch, dot=lambda k: 2.0, drift=lambda k: 1.0):
        self.now, self.log, self.of_dot, self.drift = 100.0, [], dot, drift
        monkeypatch.setattr(latency, "time", SimpleNamespace(perf_counter=lambda: self.now))

    def dash(self, x, t):
        self.now += 6.0 * self.drift(self.round())
        self.log.append(("dash", x.shape, t.shape, torch.is_inference_mode_enabled()))
        return x

    def dot(self, x_s, x_t, eps_s, s, t):
        assert x_s.shape == x_t.shape == eps_s.shape and (s > t).all() and t.shape == s.shape
        self.now += self.of_dot(self.round()) * self.drift(self.round())
        self.log.append(("dot", x_t.shape, t.shape, torch.is_inference_mode_enabled()))
        return x_t

    def round(self):
        return len(self.log) // 2 - WARM_UP

    def measure(self, repetitions=7):
        return measure(self.dash, self.dot, (3, 8, 8), batch_size=5, repetitions=repetitions)


def test_both_are_called_in_turn_on_the_whole_batch_without_gradients(monkeypatch):
    networks = Networks(monkeypatch)
    networks.measure(7)
    turn = [("dash", (5, 3, 8, 8), (5,), True), ("dot", (5, 3, 8, 8), (5,), True)]
    assert networks.log == turn * (WARM_UP + 7)


def test_the_ratio_is_that_of_the_seconds(monkeypatch):
    found = Networks(monkeypatch).measure()
    assert (found.dash_seconds, found.dot_seconds, found.ratio) == (6.0, 2.0, 3.0)
    assert found.ratio_quartiles == (3.0, 3.0)


def test_warm_up_does_not_count(monkeypatch):
    found = Networks(monkeypatch, dot=lambda k: 50.0 if k < 0 else 2.0).measure()
    assert (found.dot_seconds, found.ratio_quartiles) == (2.0, (3.0, 3.0))
    assert found.warm_up_seconds == WARM_UP * 56.0


def test_a_machine_that_slows_down_does_not_change_the_ratio(monkeypatch):
    found = Networks(monkeypatch, drift=lambda k: 1.5**k).measure()
    assert found.ratio == pytest.approx(3.0) and found.ratio_quartiles == pytest.approx((3.0, 3.0))
    assert found.dash_seconds == pytest.approx(6.0 * 1.5**3)


def test_median_and_quartiles_of_ratios(monkeypatch):
    of_dot = [6.0, 3.0, 2.0, 1.5, 1.2, 1.0, 0.01]  # ratios 1, 2, 3, 4, 5, 6, 600
    pauses = [1, 10, 1, 10, 1, 1, 1]
    found = Networks(monkeypatch, dot=lambda k: of_dot[k], drift=lambda k: pauses[k]).measure()
    assert found.ratio_quartiles == pytest.approx((2.0, 6.0))
    assert found.ratio == pytest.approx(4.0)  # not that of the medians
    assert found.ratio_interval == pytest.approx((1.0, 600.0))
    assert (found.dash_seconds, found.dot_seconds) == (pytest.approx(6.0), pytest.approx(2.0))


def test_record_is_json_and_says_how_it_was_taken(monkeypatch):
    made = json.loads(json.dumps(Networks(monkeypatch).measure(4).record()))
    assert made == {
        "dash_seconds": 6.0, "dot_seconds": 2.0, "ratio": 3.0, "ratio_quartiles": [3.0, 3.0], "ratio_interval": [3.0, 3.0],
        "batch_size": 5, "repetitions": 4, "dash_execution": "eager", "dot_execution": "eager", "warm_up_seconds": WARM_UP * 8.0,
        "device": "cpu", "threads": torch.get_num_threads(), "dtype": "float32", "tf32": False,
    }  # fmt: skip


@pytest.mark.parametrize(("network", "inputs"), [("dash", 2), ("dot", 5)])
def test_the_fastest_execution_is_of_the_median_in_turn_after_warm_up(monkeypatch, network, inputs):
    """Compiled calls take less but for the first, and a pause; drift falls on eager and compiled calls alike."""
    now, log = [0.0], []
    monkeypatch.setattr(latency, "time", SimpleNamespace(perf_counter=lambda: now[0]))

    def executable(call, name, device):
        def run(*given):
            assert len(given) == inputs and given[0].shape == (5, 3, 8, 8)
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
    assert found["seconds"] == pytest.approx({"eager": 3.0 * 1.2 ** (WARM_UP + 2), "compiled": 2.0 * 1.2 ** (WARM_UP + 3)})
    assert (found["batch_size"], found["repetitions"]) == (5, 5)


def test_an_execution_that_gains_nothing_is_not_chosen(monkeypatch):
    monkeypatch.setattr(latency, "time", SimpleNamespace(perf_counter=lambda: 0.0))
    monkeypatch.setattr(latency, "executable", lambda call, name, device: call)
    assert fastest("dash", lambda x, t: x, (1, 4, 4), batch_size=1, repetitions=2)["execution"] == "eager"


def test_the_real_clock_gives_positive_seconds():
    def network(*inputs):
        return inputs[0]

    found = measure(network, network, (1, 4, 4), batch_size=1, repetitions=3)
    assert min(found.dash_seconds, found.dot_seconds, *found.ratio_quartiles) > 0
    assert found.ratio_quartiles[0] <= found.ratio <= found.ratio_quartiles[1]


@pytest.mark.parametrize(("n", "places"), [(3, (1, 3)), (6, (1, 6)), (15, (4, 12)), (30, (10, 21))])
def test_the_median_s_interval_keeps_95_percent_and_no_narrower_one_does(n, places):
    values = [float(value) for value in range(n, 0, -1)]
    assert median_interval(values) == places
    kept = [1.0 - 2.0 * sum(math.comb(n, i) for i in range(k)) / 2**n for k in (places[0], places[0] + 1)]
    assert kept[1] < 0.95 and (kept[0] >= 0.95 or places[0] == 1)


def test_flops_are_two_for_each_multiply_add_of_an_image():
    torch.manual_seed(0)
    wide, narrow = torch.nn.Conv2d(3, 12, 3, padding=1), torch.nn.Conv2d(9, 2, 1)
    found = flops(lambda x, t: wide(x), lambda x_s, x_t, eps_s, s, t: narrow(torch.cat([x_s, x_t, eps_s], 1)), (3, 8, 8))
    assert found == (2 * 12 * 3 * 9 * 64, 2 * 2 * 9 * 64)


def test_flops_of_attention_are_counted_on_every_device():
    queries = torch.randn(1, 2, 64, 16)  # (B, heads, positions, width)

    def attention(x, t):
        return torch.nn.functional.scaled_dot_product_attention(queries, queries, queries)

    found, _ = flops(attention, lambda *inputs: inputs[0], (3, 8, 8))
    assert found == 2 * (2 * 2 * 64 * 64 * 16)  # two products of 64 x 16 x 64 for each head
