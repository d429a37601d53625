"""One run: by the library's door, and as the shards of a job."""

import json

import numpy as np
import pytest
import torch
from networks import tiny_card, tiny_dash, tiny_dot, tiny_zoo

from morse.experiments.cards import default_settings, network_view
from morse.files import DamagedFile
from morse.methods import METHODS
from morse.methods.baseline import Baseline
from morse.methods.morse import Morse
from morse.methods.plans import baseline_plan, fixed_plan, paper_plan, with_ratio
from morse.runtime.execution import EXECUTIONS
from morse.samplers.ddim import DDIM
from morse.sampling import run as module
from morse.sampling.loop import sample_shard
from morse.sampling.run import load_networks, nominal_ratio, plan_of, run_part, run_shard, sample

HALF = {"policy": "paper", "paper": {"dot_share": 0.5}}
DDIM_CARD = {"kind": "ddim", "options": {}}


@pytest.fixture(scope="module")
def dash():
    return tiny_dash()


@pytest.fixture(scope="module")
def dot(dash):
    return tiny_dot(dash)


def test_images_are_those_of_the_loop_with_the_same_plan(dash, dot):
    plan = paper_plan(4, dot.ratio, 0.5)
    shard = sample_shard(Morse(dash, dot, plan), DDIM(dash.schedule, plan.nfe), dash.shape, 3, 0, 5, 2)
    images = sample(dash, dot, "ddim", budget=4, images=5, seed=3, batch_size=2, settings=HALF)
    assert (images.shape, images.dtype) == ((5, 1, 16, 16), np.uint8)
    np.testing.assert_array_equal(images, shard.images)
    shard = sample_shard(Baseline(dash), DDIM(dash.schedule, 4), dash.shape, 3, 0, 5, 2)
    np.testing.assert_array_equal(sample(dash, budget=4, images=5, seed=3, batch_size=2), shard.images)


def test_with_a_dot_it_is_morse_and_without_one_the_baseline(dash, dot):
    morse, baseline = sample(dash, dot, budget=3, images=2), sample(dash, budget=3, images=2)
    np.testing.assert_array_equal(morse, sample(dash, dot, method="morse", budget=3, images=2))
    np.testing.assert_array_equal(baseline, sample(dash, dot, method="baseline", budget=3, images=2))
    assert not np.array_equal(morse, baseline)


def test_settings_are_those_of_the_configuration_unless_others_are_given(dash, dot):
    usual, half = sample(dash, dot, budget=8, images=2), sample(dash, dot, budget=8, images=2, settings=HALF)
    np.testing.assert_array_equal(usual, sample(dash, dot, budget=8, images=2, settings=default_settings("morse")))
    assert not np.array_equal(usual, half)


def test_a_sampler_is_a_card_or_the_name_of_one(dash):
    by_name = sample(dash, sampler="ddpm", budget=3, images=2)
    options = {"variance": "fixed_small", "clip": True}
    card = {"kind": "ddpm", "options": options, "time": "discrete"}  # what only the checks need does no harm
    np.testing.assert_array_equal(by_name, sample(dash, sampler=card, budget=3, images=2))
    assert not np.array_equal(by_name, sample(dash, budget=3, images=2))


def test_baseline_and_morse_start_from_the_same_noise(dash, dot):
    """Dash's first call of a batch is on the same sample."""
    starts = []

    class Listening(type(dash)):
        def __call__(self, x, t):
            starts.append(x.clone())
            return super().__call__(x, t)

    heard = Listening(dash.network, dash.estimate, dash.schedule, dash.shape)
    sample(heard, budget=3, images=4, seed=5, batch_size=4)
    baseline, before = starts[-3], len(starts)  # a warm-up on two images comes first
    sample(heard, dot, budget=3, images=4, seed=5, batch_size=4, settings=HALF)
    morse = next(x for x in starts[before:] if len(x) == 4)
    assert torch.equal(baseline, morse) and len(baseline) == 4


def test_seeds_and_numbers_of_images_are_kept(dash):
    images = sample(dash, budget=2, images=5)
    np.testing.assert_array_equal(sample(dash, budget=2, images=3), images[:3])
    assert not np.array_equal(sample(dash, budget=2, images=5, seed=1), images)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "morce"}, "unknown method 'morce'; did you mean 'morse'?"),
        ({"sampler": "ddin"}, "unknown sampler 'ddin'; did you mean 'ddim'?"),
        ({"sampler": {"kind": "dim", "options": {}}}, "unknown sampler 'dim'; did you mean 'ddim'?"),
        (
            {"sampler": {"kind": "ddim", "options": {"etta": 1}}},
            "unknown option of sampler ddim 'etta'; did you mean 'eta'?",
        ),
        ({"budget": 1}, "a budget of 1 LSD is too small for Morse: one call of Dash and one LSD of Dot's make 2"),
        ({"method": "baseline", "budget": 0}, "a budget of 0 LSD is too small: a run takes at least 1"),
        ({"dot": None, "method": "morse"}, "method 'morse' needs a Dot; give the one of morse.dot.loading.load_dot"),
    ],
)
def test_what_cannot_run_is_one_line(dash, dot, arguments, message):
    with pytest.raises((ValueError, KeyError)) as error:
        sample(**{"dash": dash, "dot": dot, **arguments})
    assert str(error.value) == message


def test_plans_are_the_method_s_own():
    fixed = {"policy": "fixed", "fixed": {"dots": 3}}
    assert plan_of("baseline", 7, 5.0, {}) == baseline_plan(7)
    assert plan_of("morse", 7, 5.0, HALF) == paper_plan(7, 5.0, 0.5)
    assert plan_of("morse", 7, 5.0, fixed) == fixed_plan(7, 5.0, 3)


def test_a_plan_that_was_searched_for_is_read(tmp_path):
    (tmp_path / "plan.json").write_text(json.dumps({"plan": "D..D.", "ratio": 5.0}), encoding="utf-8")
    assert plan_of("morse", 3, 4.0, {"policy": "auto"}, tmp_path / "plan.json") == with_ratio("D..D.", 4.0)


def part(dash, dot, **changes):
    plan = paper_plan(3, 5.0, 0.5)
    networks = {"dash": dash, "dot": dot}
    arguments = {"seed": 1, "first": 0, "count": 6, "batch_size": 4} | changes
    return run_part(networks, "morse", plan, DDIM_CARD, **arguments)


def test_a_part_tells_what_sampled_it(dash, dot):
    shard = part(dash, dot, first=10)
    plan = paper_plan(3, 5.0, 0.5)
    assert (shard.first, len(shard.images), shard.letters, shard.costs) == (10, 6, plan.letters, plan.costs)
    assert shard.provenance["execution"] == {"dash": "eager", "dot": "eager"}
    assert {"commit", "code", "versions", "device"} <= set(shard.provenance)
    assert shard.seconds > 0 and shard.memory > 0


def test_networks_run_as_they_are_told_to_and_warm_up_at_every_batch_size(dash, dot, monkeypatch):
    asked, sizes = [], []

    def executable(network, execution, device):
        asked.append(execution)

        def run(*inputs):
            sizes.append(len(inputs[0]))
            return network(*inputs)

        return run

    monkeypatch.setattr(module, "executable", executable)
    usual = part(dash, dot)
    calls = paper_plan(3, 5.0, 0.5).nfe
    assert asked == ["eager", "eager"] and sizes == [2] * calls + [4] * calls + [2] * calls
    del asked[:], sizes[:]
    shard = part(dash, dot, executions={"dash": "eager", "dot": "compiled"})
    assert asked == ["eager", "compiled"] and shard.provenance["execution"] == {"dash": "eager", "dot": "compiled"}
    assert sizes == ([4] * calls + [2] * calls) * (EXECUTIONS["compiled"] + 1)
    np.testing.assert_array_equal(shard.images, usual.images)


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    """(A card, the prepared file of Dot.)"""
    return tiny_zoo(tmp_path_factory.mktemp("zoo"))


RUN = {"model": "tiny", "task": "shapes", "sampler": "ddim", "method": "morse", "budget": 3, "seed": 4}
EAGER = {"dash": "eager", "dot": "eager"}


def shards_of(zoo, run, images, shards, settings=HALF, batch_size=3):
    card, dot = zoo
    names = METHODS[run["method"]].networks
    view, executions = network_view(card, names), {name: "eager" for name in names}
    file = dot if "dot" in names else None
    return [
        run_shard(run, index, view, DDIM_CARD, settings, images, shards, batch_size, "cpu", executions, file)
        for index in range(shards)
    ]


@pytest.mark.parametrize("method", ["baseline", "morse"])
def test_shards_together_are_one_shard(zoo, method):
    """Shards are cut where batches are not. Networks' rounding moves a pixel by a level at most."""
    settings = HALF if method == "morse" else {}
    (whole,) = shards_of(zoo, RUN | {"method": method}, 7, 1, settings)
    parts = shards_of(zoo, RUN | {"method": method}, 7, 3, settings)
    assert [(part.first, len(part.images)) for part in parts] == [(0, 2), (2, 2), (4, 3)]
    together = np.concatenate([part.images for part in parts])
    assert np.abs(together.astype(int) - whole.images).max() <= 1
    assert (together != whole.images).mean() < 1e-2
    assert {part.letters for part in parts} == {whole.letters} and len({image.tobytes() for image in whole.images}) == 7


def test_a_shard_is_what_the_library_s_door_gives(zoo):
    card, file = zoo
    networks = load_networks(card, ("dash", "dot"), file, "cpu")
    (shard,) = shards_of(zoo, RUN, 5, 1)
    images = sample(networks["dash"], networks["dot"], budget=3, images=5, seed=4, batch_size=3, settings=HALF)
    np.testing.assert_array_equal(shard.images, images)
    assert shard.costs == {"D": 1.0, ".": 1 / card["dot"]["ratio"]}


def test_a_run_follows_the_plan_that_was_chosen(zoo, tmp_path):
    card, dot = zoo
    (tmp_path / "plan.json").write_text(json.dumps({"plan": "D.DD"}), encoding="utf-8")
    searched = {"policy": "auto"}
    shard = run_shard(RUN, 0, card, DDIM_CARD, searched, 2, 1, 2, "cpu", EAGER, dot, tmp_path / "plan.json")
    assert shard.letters == "D.DD"


def test_networks_are_those_that_are_named(zoo):
    card, dot = zoo
    assert set(load_networks(card, ("dash",), None, "cpu")) == {"dash"}
    networks = load_networks(card, ("dash", "dot"), dot, "cpu")
    assert networks["dash"].weights == card["dash"]["sha256"] and networks["dot"].ratio == card["dot"]["ratio"]


def test_missing_files_are_one_line(zoo, tmp_path):
    card, _ = zoo
    lost = card | {"dash": {"file": str(tmp_path / "lost"), "sha256": "0" * 64}}
    for one, names in ((lost, ("dash",)), (card, ("dash", "dot"))):
        with pytest.raises(DamagedFile, match="lost is missing") as error:
            load_networks(one, names, tmp_path / "lost", "cpu")
        assert "\n" not in str(error.value)
    with pytest.raises(ValueError, match="the model's card names no file of Dot"):
        load_networks(card, ("dash", "dot"), None, "cpu")


def test_a_card_without_dot_has_a_ratio_that_plans_do_not_use():
    card = tiny_card()
    assert nominal_ratio(card) == 5.0
    assert plan_of("baseline", 4, nominal_ratio(network_view(card, ["dash"])), {}) == baseline_plan(4)
