"""Whole runs in turn, with a clock that stubs turn; and real ones, made as runs are."""

import statistics
from types import SimpleNamespace

import numpy as np
import pytest
from networks import shake, tiny_zoo
from text_models import text_card, text_dash

from morse.dot.loading import new_dot
from morse.dot.lora import inference_dot
from morse.dot.network import BRANCHES
from morse.experiments.cards import network_view
from morse.methods import METHODS
from morse.runtime.latency import median_interval
from morse.sampling import loop, parts
from morse.sampling import timing as module
from morse.sampling.prompts import encode_prompts, save_prompts
from morse.sampling.run import run_shard, sample
from morse.sampling.shards import Shard
from morse.sampling.timing import in_turn, time_runs

HALF = {"policy": "paper", "paper": {"dot_share": 0.5}}
DDIM_CARD = {"kind": "ddim", "options": {}}
CELL = {"model": "tiny", "task": "shapes", "sampler": "ddim", "guidance": "none", "budget": 3}
EAGER = {"dash": "eager", "dot": "eager"}


class Batches:
    """Makers of batches: method -> seconds in a round. ``drift`` changes all seconds of a round."""

    def __init__(self, drift=lambda k: 1.0, **seconds):
        self.log, self.drift = [], drift
        self.make = {name: self.maker(name, of_round) for name, of_round in seconds.items()}

    def maker(self, name, of_round):
        def make(warm_up):
            k = sum(one == (name, False) for one in self.log)
            self.log.append((name, warm_up))
            seconds = 1e6 if warm_up else of_round(k) * self.drift(k)
            return Shard(np.zeros((1, 1, 2, 2), np.uint8), 0, seconds, "D" * len(name), decoding=0.1 * seconds)

        return make


def test_batches_are_made_in_turn_after_a_warm_up_of_each():
    batches = Batches(baseline=lambda k: 2.0, morse=lambda k: 3.0)
    in_turn(batches.make, 4)
    assert batches.log == [("baseline", True), ("morse", True), *[("baseline", False), ("morse", False)] * 4]


def test_seconds_of_each_round_are_kept_and_the_warm_up_s_are_not():
    found = in_turn(Batches(baseline=lambda k: 2.0 + k, morse=lambda k: 3.0).make, 3)
    assert found["baseline"]["seconds"] == [2.0, 3.0, 4.0] and found["morse"]["seconds"] == [3.0] * 3
    assert found["baseline"]["decoding"] == pytest.approx([0.2, 0.3, 0.4])
    assert (found["baseline"]["plan"], found["morse"]["plan"]) == ("D" * 8, "D" * 5)


def test_the_ratio_is_the_median_within_a_round_with_its_interval_by_order_statistics():
    of_morse = [1.0, 9.0, 2.0, 8.0, 3.0, 7.0, 4.0, 6.0, 5.0]
    found = in_turn(Batches(baseline=lambda k: 2.0, morse=lambda k: of_morse[k]).make, 9)
    ratios = [value / 2.0 for value in of_morse]
    assert found["morse"]["ratio"] == statistics.median(ratios) == 2.5
    assert (found["morse"]["ratio_low"], found["morse"]["ratio_high"]) == median_interval(ratios) == (1.0, 4.0)
    assert [found["baseline"][key] for key in ("ratio", "ratio_low", "ratio_high")] == [1.0] * 3


@pytest.mark.parametrize("drift", [lambda k: 1.5**k, lambda k: 10.0 if k % 2 else 1.0])
def test_a_factor_that_is_common_to_a_round_cancels(drift):
    steady, drifting = (
        in_turn(Batches(drift=of_round, baseline=lambda k: 2.0, morse=lambda k: 3.0, other=lambda k: 1.0).make, 7)
        for of_round in (lambda k: 1.0, drift)
    )
    for name, ratio in (("baseline", 1.0), ("morse", 1.5), ("other", 0.5)):
        for key in ("ratio", "ratio_low", "ratio_high"):
            assert drifting[name][key] == pytest.approx(steady[name][key]) == ratio
    assert drifting["morse"]["seconds"] != steady["morse"]["seconds"]


def test_without_a_baseline_there_is_no_ratio():
    found = in_turn(Batches(morse=lambda k: 3.0).make, 2)
    assert found["morse"]["seconds"] == [3.0, 3.0]
    assert [found["morse"][key] for key in ("ratio", "ratio_low", "ratio_high")] == [None] * 3


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    """(A card, the prepared file of Dot.)"""
    return tiny_zoo(tmp_path_factory.mktemp("zoo"))


def timed(zoo, methods, rounds=2, images=12, shards=3, batch_size=3, **more):
    card, dot = zoo
    names = {network for name in methods for network in METHODS[name].networks}
    file = dot if "dot" in names else None
    what = rounds, images, shards, batch_size, "cpu", EAGER, file
    return time_runs(CELL, network_view(card, names), DDIM_CARD, methods, *what, **more)


def test_runs_are_made_as_the_workflow_s_jobs_make_them(zoo, monkeypatch):
    """The first batch of the first shard, with the plan, the decoding and the size of a run."""
    made, original = [], loop.sample_shard

    def listening(*arguments):
        made.append(original(*arguments))
        return made[-1]

    monkeypatch.setattr(parts, "sample_shard", listening)
    found = timed(zoo, {"baseline": {}, "morse": HALF}, size=8)
    card, dot = zoo
    assert found["images"] == 3 and found["execution"] == EAGER
    plans = {}
    for method, settings in (("baseline", {}), ("morse", HALF)):
        names = METHODS[method].networks
        run = CELL | {"method": method, "seed": 0}
        view, file = network_view(card, names), dot if "dot" in names else None
        whole = run_shard(run, 0, view, DDIM_CARD, settings, 12, 3, 3, "cpu", EAGER, file, size=8)
        plans[method] = whole.letters
        batches = [shard for shard in made[:6] if shard.letters == whole.letters]
        assert len(batches) == 3
        for shard in batches:
            np.testing.assert_array_equal(shard.images, whole.images[:3])
    assert {name: timed["plan"] for name, timed in found["methods"].items()} == plans
    assert all(seconds > 0 for timed in found["methods"].values() for seconds in timed["seconds"])


def test_guided_runs_have_their_prompts_and_a_baseline_without_dot_s_second_estimate(tmp_path, monkeypatch):
    """A Dot of both branches takes more of Dash than a run of Dash alone computes."""
    card, prompts, made = text_card(dot={"guidance": BRANCHES}), ["a cat on a mat", "two dogs"], {}
    dash = text_dash(card)
    dot = new_dot(card, dash)
    dot = inference_dot(dot, dot.state_dict())
    shake(dot, 1)
    dot.ratio = 5.0
    save_prompts(encode_prompts(dash, prompts), tmp_path / "p.safetensors", "these")
    monkeypatch.setattr(module, "load_pair", lambda *arguments: (dash, dot))

    def listening(*arguments):
        shard = loop.sample_shard(*arguments)
        made[len(shard.letters)] = shard.images
        return shard

    asked = []
    monkeypatch.setattr(parts, "sample_shard", listening)
    monkeypatch.setattr(module, "executable", lambda network, *how: asked.append(network) or network)
    cell, methods = CELL | {"guidance": "7.5"}, {"baseline": {}, "morse": HALF}
    what = 2, 2, 1, 2, "cpu", EAGER, None
    found = time_runs(cell, card, DDIM_CARD, methods, *what, prompts=tmp_path / "p.safetensors")
    monkeypatch.undo()
    assert asked[0] is dash and len({id(one) for one in asked}) == 3
    text = {"prompts": prompts, "guidance": 7.5, "images": 2, "budget": 3}
    for method, settings in methods.items():
        expected = sample(dash, dot, DDIM_CARD, method, settings=settings, **text)
        np.testing.assert_array_equal(made[len(found["methods"][method]["plan"])], expected)


def test_a_run_smaller_than_a_batch_is_timed_whole(zoo):
    assert timed(zoo, {"baseline": {}}, images=5, shards=2, batch_size=100)["images"] == 2


def test_a_baseline_alone_needs_no_dot_and_a_searched_plan_is_read(zoo, tmp_path):
    assert timed(zoo, {"baseline": {}})["execution"] == {"dash": "eager"}
    (tmp_path / "plan.json").write_text('{"plan": "D.DD"}', encoding="utf-8")
    chosen = {"morse": tmp_path / "plan.json"}
    found = timed(zoo, {"baseline": {}, "morse": {"policy": "auto"}}, chosen=chosen)
    assert found["methods"]["morse"]["plan"] == "D.DD" and found["methods"]["baseline"]["plan"] == "DDD"


def test_a_network_is_compiled_once_for_all_methods(zoo, monkeypatch):
    asked = []

    def executable(network, execution, device):
        asked.append(network)
        return network

    monkeypatch.setattr(module, "executable", executable)
    monkeypatch.setattr(module, "in_turn", lambda make, rounds, caption: SimpleNamespace(make=make, caption=caption))
    found = timed(zoo, {"baseline": {}, "morse": HALF})["methods"]
    assert len({id(one) for one in asked}) == 2 and list(found.make) == ["baseline", "morse"]
    assert found.caption == "tiny ddim 3 LSD, baseline and morse in turn"
