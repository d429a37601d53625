"""What a configuration will cost, against arithmetic by hand."""

import pytest

from morse.dot.sizes import sampling_bytes, sizes_of
from morse.experiments.axes import runs_of
from morse.experiments.cards import merged, read_card, read_cards, resource
from morse.experiments.configuration import read_configuration
from morse.forecast.work import letters_of, training_flops, work_of

NAME = "cifar10-ddpm-mini"
EXPERIMENT = {
    "models": [NAME],
    "tasks": ["fashion-mnist"],
    "samplers": ["ddim"],
    "methods": ["baseline", "morse"],
    "budgets": [4, 8],
    "seeds": [0],
}


@pytest.fixture
def config():
    return read_configuration([resource("config/config.yaml")], {"experiments": [EXPERIMENT], "images": 1000})


def works(config, images=None, **dot):
    cards = read_cards({"models": {NAME: {"dot": dot}}} if dot else {})
    return work_of(config, cards, runs_of(config["experiments"]), images)


def test_calls_and_flops_are_those_of_the_plans(config):
    """At N = 5 a quarter of 4 LSD is 1, hence 3 calls of Dash and 5 of Dot; of 8 LSD 6 and 10."""
    (work,) = works(config)
    sizes = sizes_of(read_cards()["model"][NAME])
    assert work.runs == 4
    assert work.calls == {"D": 1000 * (4 + 8 + 3 + 6), ".": 1000 * (5 + 10)}
    assert work.sampling == 1000 * (21 * sizes.dash.total + 15 * sizes.dot.total)
    assert work.training == work.features == 0
    assert work.flops == work.sampling


def test_images_scale_all_but_memory(config):
    (work,), (double,) = works(config), works(config, 2000)
    assert double.sampling == 2 * work.sampling and double.passing == 2 * work.passing == 2 * 1000 * 32 * 32
    assert double.memory == work.memory == sampling_bytes(read_cards()["model"][NAME], 100)


def test_disk_holds_weights_and_the_features_of_all_runs(config):
    (work,) = works(config)
    sizes = sizes_of(read_cards()["model"][NAME])
    weights = 4 * (2 * sizes.dash_parameters + sizes.dot_parameters)
    assert work.kept == weights + 4 * 1000 * 64 * 4


def test_a_dot_that_is_trained_in_the_run_costs_its_training(config):
    """9000 steps, 30 a draw, are 300 draws, and 32 are of calibration, of 64 chains of 10 points.
    A step has 64 * 45 / 30 = 96 pairs."""
    (work,) = works(config, source="train")
    card = read_cards()["model"][NAME]
    sizes = sizes_of(card)
    assert work.training == 9000 * 96 * sizes.step.total + 332 * 640 * sizes.dash.total
    assert work.training == training_flops(card, sizes)
    assert work.memory > works(config)[0].memory


def test_baselines_alone_need_no_dot(config):
    config["experiments"] = [EXPERIMENT | {"methods": ["baseline"]}]
    (work,) = works(config, source="train")
    assert work.training == 0 and "." not in work.calls


def test_forecasts_are_calls_without_work(config):
    config["experiments"] = [EXPERIMENT | {"methods": ["forecast"]}]
    (work,) = works(merged(config, {"forecast": {"order": 1, "calls": 2.0}}))
    assert work.calls == {"D": 1000 * 12, "e": 1000 * 12}
    assert work.sampling == 12_000 * sizes_of(read_cards()["model"][NAME]).dash.total


def test_a_search_for_plans_counts_its_fine_run_and_candidates(config):
    plain = works(config)[0].sampling
    auto = {"images": 2, "fine_calls": 100, "shares": [0.2, 0.4], "leans": [1.0]}
    searched = merged(config, {"morse": {"policy": "auto", "auto": auto}})
    extra = (2 * 100 + 2 * 2 * (4 + 8)) * sizes_of(read_cards()["model"][NAME]).dash.total
    assert works(searched)[0].sampling == plain + extra


def test_an_extractor_s_arithmetic_is_counted_for_each_image(config):
    cards = read_cards()
    cards["extractor"]["fashion-classifier"]["gflops"] = 2.0
    (work,) = work_of(config, cards, runs_of(config["experiments"]))
    assert work.features == 4 * 1000 * 2e9


def test_letters_of_a_searched_run_are_as_many_as_the_paper_s(config):
    run = {"model": NAME, "method": "morse", "budget": 8}
    searched = merged(config, {"morse": {"policy": "auto"}})
    card = read_cards()["model"][NAME]
    assert letters_of(searched, card, run) == letters_of(config, card, run)


@pytest.mark.parametrize(
    ("name", "sampler", "prompt"),
    [("coco-sd14", "ddim-sd", 77 * 768), ("coco-lcm-sdxl", "lcm", 77 * 2048 + 1280 + 6)],
)
def test_a_text_model_s_prompts_and_guided_calls_are_counted(config, monkeypatch, name, sampler, prompt):
    """Two guidance scales and two budgets: 4 runs, whose 30,000 prompts are encoded once. A guided
    call is two forwards of one network, Dot's is one."""
    experiment = {"models": [name], "tasks": ["coco256"], "samplers": [sampler], "guidances": [2, 7.5]}
    experiment |= {"methods": ["baseline"], "budgets": [4, 10], "seeds": [0]}
    config |= {"experiments": [experiment], "images": 50000}
    cards = read_cards({})
    sizes = sizes_of(cards["model"][name])
    monkeypatch.setattr("morse.forecast.work.sizes_of", lambda card: sizes)  # counted once, as it takes long
    (work,) = work_of(config, cards, runs_of(config["experiments"]))
    assert work.calls == {"D": 2 * 30000 * (4 + 10)}
    assert work.sampling == 30000 * (28 * sizes.dash.total + 4 * sizes.decode + sizes.encode)
    assert work.passing == 30000 * 3 * (512 if name == "coco-sd14" else 1024) ** 2

    features = 4 * 30000 * 4 * sum(cards["extractor"][one]["dimension"] for one in ("inception", "clip-vit-l14"))
    file = sizes.dash_parameters + sizes.autoencoder_parameters + sizes.text_parameters
    assert sizes.prompt == 4 * prompt
    assert work.kept == 2 * 4 * file + 30000 * 4 * prompt + features


def test_a_dot_with_memory_is_counted_by_its_own_samples(config):
    """Its chains have triples of points, not pairs."""
    chain = {"chains": 62, "points": 8, "steps": 31, "min_calls": 8.0, "max_calls": 60.0, "grids": ["uniform"]}
    changes = {"dot": {"source": "train", "memory": 1, "training": {"chain": chain}}}
    card = read_card("model", NAME, changes)
    sizes = sizes_of(card)
    recipe = card["dot"]["training"]
    draws = -(-recipe["train"]["steps"] // 31) + 32
    expected = recipe["train"]["steps"] * 62 * sizes.step.total + draws * 62 * 8 * sizes.dash.total
    assert training_flops(card, sizes) == expected
