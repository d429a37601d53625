"""The shipped configurations pass; what cannot run is one line, before anything runs."""

import copy
from pathlib import Path

import pytest
import yaml
from snakemake.utils import update_config

from morse.experiments.axes import nodes
from morse.files import DamagedFile
from morse.preflight import check, preflight

ROOT = Path(__file__).parents[1]
DEFAULT = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
CARDS = {
    kind: {path.stem: yaml.safe_load(path.read_text()) for path in (ROOT / "config" / f"{kind}s").glob("*.yaml")}
    for kind in ("model", "task", "sampler")
}
TASK = ("task", "fashion-mnist")


def merged(content, changes):
    """The content with nested changes, as Snakemake merges files of settings."""
    made = copy.deepcopy(content)
    update_config(made, changes)
    return made


def run(changes=None, card=None, of_card=None, **keywords):
    config, cards = merged(DEFAULT, changes or {}), copy.deepcopy(CARDS)
    if card:
        kind, name = card
        cards[kind][name] = merged(cards[kind][name], of_card)
    chosen = nodes(config["experiments"])
    check(chosen, cards)
    preflight(config, cards, chosen, lambda path: str(ROOT / path), **keywords)


@pytest.mark.parametrize("name", ["config", "precise", "figure4"])
def test_shipped_configurations_pass(name):
    run(yaml.safe_load((ROOT / "config" / f"{name}.yaml").read_text()))


@pytest.mark.parametrize(
    ("changes", "card", "of_card", "message"),
    [
        ({"images": 30}, None, None, "images: 30 are fewer than shards, or than twice quality: groups"),
        ({"images": 100, "quality": {"metrics": ["frechet_infinity"]}}, None, None, "frechet_infinity needs 206 images"),
        ({"images": 40, "shards": 8, "grid_images": 6}, None, None, "grid_images: 6 are more than the first shard has"),
        ({"execution": "cuda-graphs", "device": "cpu"}, None, None, "execution: cuda-graphs needs a GPU"),
        ({"latency": {"executions": ["cuda-graphs"]}, "device": "cpu"}, None, None, "execution: cuda-graphs needs a GPU"),
        ({"morse": {"policy": "auto", "auto": {"fine_calls": 50}}}, None, None, "fine_calls: 50 are too few for 50 LSD; use 260 or more"),
        ({}, ("model", "cifar10-vp-mini"), {"dot": {"file": "lost"}}, "Dot of cifar10-vp-mini: lost is missing; restore"),
        (
            {}, ("model", "cifar10-vp-mini"), {"dot": {"training": {"data": "fashion"}}},
            "unknown task in model cifar10-vp-mini: dot: training: data 'fashion'; did you mean 'fashion-mnist'?",
        ),
        ({}, TASK, {"data": {"file": "lost"}}, "data of fashion-mnist: lost is missing; restore"),
        ({}, TASK, {"reference": {"statistics": {"file": "lost"}}}, "reference statistics of fashion-mnist: lost is missing; restore"),
        ({}, TASK, {"extractor": {"kind": "incepton"}}, "unknown feature extractor of fashion-mnist 'incepton'; did you mean 'inception'?"),
        ({}, ("sampler", "ddim"), {"options": {"etaa": 1.0}}, "sampler 'ddim' with 3 calls of cifar10-ddpm-mini: unknown option"),
        ({}, ("sampler", "ddim"), {"options": {"eta": "much"}}, "sampler 'ddim' with 3 calls of cifar10-ddpm-mini: "),
        ({}, ("sampler", "ddim"), {"kind": "dim"}, "unknown sampler 'dim'; did you mean 'ddim'?"),
        ({}, ("sampler", "dpm-solver"), {"options": {"grid": "uniformly"}}, "sampler 'dpm-solver' with 3 calls of "),
    ],
)  # fmt: skip
def test_what_cannot_run_is_one_line(changes, card, of_card, message):
    with pytest.raises(ValueError) as error:
        run(changes, card, of_card)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_morse_s_own_calls_are_checked_too():
    """A grid that has as many times as the baseline needs may lack those of Morse's plan."""
    only = {**DEFAULT["experiments"][0], "samplers": ["ddim"], "budgets": [400], "methods": ["baseline"]}
    run({"experiments": [only]})
    with pytest.raises(ValueError, match=r"sampler 'ddim' with \d{4} calls of cifar10-ddpm-mini"):
        run({"experiments": [{**only, "methods": ["baseline", "morse"]}], "morse": {"paper": {"dot_share": 0.5}}})


def test_the_policy_auto_needs_the_grid_of_its_fine_run():
    auto = {"morse": {"policy": "auto"}}
    run(auto)
    with pytest.raises(ValueError, match="sampler 'ddim' with 1500 calls of cifar10-ddpm-mini"):
        run({"morse": {"policy": "auto", "auto": {"fine_calls": 1500}}})


def test_a_second_opinion_needs_an_extractor():
    cards = {"second_opinion": {"kind": "inception"}}
    asked = {"quality": {"metrics": ["second_opinion"]}}
    run(asked)
    with pytest.raises(DamagedFile, match="inception-2015-12-05.pt"):
        run(asked, TASK, cards)
    run(asked, TASK, cards, published=False)
    run({}, TASK, cards)  # not asked for
    without = copy.deepcopy(CARDS)
    del without["task"]["fashion-mnist"]["second_opinion"]
    config = merged(DEFAULT, asked)
    with pytest.raises(ValueError, match="second_opinion: config/tasks/fashion-mnist.yaml names no extractor for it; add one"):
        preflight(config, without, nodes(config["experiments"]), lambda path: str(ROOT / path))
