"""Every card in config/: valid, short, and of files and names that exist."""

import re

import numpy as np
import pytest

from morse.dash.loading import load_dash
from morse.dot.loading import load_dot
from morse.experiments.cards import KINDS, ROOT, complete_model, names, read_card, resource, schema
from morse.experiments.schema import validate
from morse.experiments.shapes import image_shape
from morse.experiments.yaml import read_yaml
from morse.fit import time_of
from morse.methods.morse import Morse
from morse.methods.plans import paper_plan
from morse.published import published_place
from morse.quality.extractors import EXTRACTORS
from morse.samplers import make_sampler
from morse.samplers.ddim import DDIM
from morse.sampling.loop import sample_shard
from morse.schedules.presets import SCHEDULES, make_schedule

CARDS = [(kind, name) for kind in KINDS for name in names(kind)]
every_card = pytest.mark.parametrize(("kind", "name"), CARDS)
every_model = pytest.mark.parametrize("name", names("model"))
SHIPPED = [name for name in names("model") if "source" not in read_card("model", name)["dash"]]
TINY = {"sample_size": 8, "channels": 1, "block_out_channels": [8], "layers_per_block": 1, "attention_levels": []}


def entries(content, key):
    """All values of a key, at any depth."""
    if isinstance(content, dict):
        for name, value in content.items():
            if name == key:
                yield value
            yield from entries(value, key)
    elif isinstance(content, list):
        for value in content:
            yield from entries(value, key)


def without_sources(content):
    """The content without what it says of files to fetch, at any depth."""
    if isinstance(content, dict):
        return {key: without_sources(value) for key, value in content.items() if key != "source"}
    return content


def test_there_are_cards_of_every_kind():
    assert {kind for kind, _ in CARDS} == set(KINDS)


@every_card
def test_it_is_valid_and_begins_with_a_line_that_says_what_it_is(kind, name):
    read_card(kind, name)
    first = (ROOT / "config" / f"{kind}s" / f"{name}.yaml").read_text(encoding="utf-8").splitlines()[0]
    assert re.fullmatch(r"# \S.{10,}", first)


@every_card
def test_its_files_are_here_with_a_hash_each(kind, name):
    """But for those that others publish. Whether the hashes are right shows when the files are
    loaded."""
    card = read_card(kind, name)
    files = [file for file in entries(without_sources(card), "file") if not published_place(file)]
    for file in files:
        assert resource(file).is_file(), file
    hashes = list(entries(card, "sha256"))
    assert len(hashes) >= len(files)
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in hashes)


@every_model
def test_a_model_s_card_is_short(name):
    """What its family and its recipe say, a card does not repeat."""
    lines = (ROOT / "config" / "models" / f"{name}.yaml").read_text(encoding="utf-8").splitlines()
    assert len([line for line in lines if line.strip() and not line.lstrip().startswith("#")]) <= 12


@every_model
def test_a_model_s_dot_is_faster_than_its_dash(name):
    assert read_card("model", name)["dot"]["ratio"] > 1


@every_model
def test_a_model_is_for_tasks_and_data_that_exist_and_fit(name):
    card = read_card("model", name)
    data = [part["training"]["data"] for part in (card, card["dot"]) if "training" in part]
    assert {*card["tasks"], *data} <= set(names("task"))
    sizes = {read_card("task", task)["data"]["size"] for task in card["tasks"]}
    if "guidance" in card["unet"]:  # images of text models are shrunk to the task's
        assert all(image_shape(card)[1] % size == 0 for size in sizes)
    else:
        assert sizes == {image_shape(card)[1]}


@pytest.mark.parametrize("name", names("task"))
def test_a_task_s_extractors_exist_and_its_statistics_are_theirs(name):
    card = read_card("task", name)
    assert set(card["extractors"]) <= set(names("extractor"))
    assert set(card["reference"].get("statistics") or {}) <= set(names("extractor"))


@pytest.mark.parametrize("name", names("extractor"))
def test_an_extractor_s_kind_and_data_exist(name):
    card = read_card("extractor", name)
    assert card["kind"] in EXTRACTORS
    assert set(entries(card, "data")) <= set(names("task"))


@pytest.mark.parametrize("name", names("sampler"))
def test_a_sampler_can_be_made_for_each_kind_of_time_that_it_is_for(name):
    card = read_card("sampler", name)
    tried = [make_schedule({"name": schedule}) for schedule in SCHEDULES if fits(card, schedule)]
    assert tried
    for schedule in tried:
        sampler = make_sampler(card, schedule, 10)
        assert len(sampler.times) == sampler.calls == 10


def fits(sampler, schedule):
    return sampler.get("time") in (None, time_of({"schedule": {"name": schedule}}))


@pytest.mark.parametrize("path", sorted((ROOT / "config" / "recipes").glob("*.yaml")), ids=lambda path: path.stem)
def test_a_recipe_completes_a_card(path):
    dash = {"file": "dash.safetensors", "sha256": "0" * 64}
    card = {"family": "ddpm", "scale": path.stem, "tasks": ["shapes"], "unet": TINY, "dash": dash}
    validate(complete_model(card, "a card"), schema("model"), "a card")
    assert read_yaml(path)["dot"]["ratio"] > 1


@pytest.mark.parametrize("name", SHIPPED)
def test_images_do_not_depend_on_the_batch_but_for_rounding(name):
    dash = load_dash(name)
    dot = load_dot(name, dash)
    plan = paper_plan(4, dot.ratio, 0.25)
    sampler = DDIM(dash.schedule, plan.nfe, grid="time-uniform")

    def images(batch_size):
        shard = sample_shard(Morse(dash, dot, plan), sampler, dash.shape, 0, 0, 16, batch_size)
        return shard.images.astype(int)

    together = images(16)
    for batch_size in (1, 7):
        apart = np.abs(images(batch_size) - together)
        assert apart.max() <= 1 and (apart > 0).mean() < 1e-3  # convolutions sum in another order
