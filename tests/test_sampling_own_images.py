"""Images that Dash makes to train its Dot on: resumed, and bound to what decides them."""

import numpy as np
import pytest
from networks import tiny_card, tiny_dash

from morse.checkpoints import write_state
from morse.dash.conditioning import classes_of
from morse.dash.loading import load_dash
from morse.data.loading import load_split
from morse.dot.training import train_dot_on
from morse.sampling import own_images as module
from morse.sampling.own_images import OWN_SEED, key_of, own_images
from morse.sampling.run import sample

CLASSES = {"learned_variance": True, "classes": 3}


def prepared(folder, unet=None, family="ddpm", **own):
    """A card with the data none, its Dash, and Dash's file."""
    dash = tiny_dash(family=family, **(unet or {}))
    write_state(dash.network.state_dict(), folder / "dash.safetensors")
    card = tiny_card(unet, family=family)
    card["dot"]["training"] |= {"data": "none", "own": {"images": 20, "sampler": "ddim", "calls": 3} | own}
    return card, dash, folder / "dash.safetensors"


def made(file):
    """All images and labels, in order."""
    splits = [load_split({"file": str(file), "size": 16}, split) for split in ("train", "test")]
    return (np.concatenate([getattr(split, part) for split in splits]) for part in ("images", "labels"))


def test_they_are_those_of_a_run_of_dash_with_a_seed_of_its_own(tmp_path):
    card, _, weights = prepared(tmp_path)
    own_images(card, weights, tmp_path / "own" / "dataset.json")
    images, labels = made(tmp_path / "own" / "dataset.json")
    assert np.array_equal(images, sample(load_dash(card, weights), None, "ddim", "baseline", 3, 20, OWN_SEED))
    assert not labels.any()
    assert len(load_split({"file": str(tmp_path / "own" / "dataset.json"), "size": 16}, "test").images) == 2  # a tenth
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dash.safetensors", "own"]


def test_a_killed_run_makes_the_missing_parts_alone(tmp_path, monkeypatch):
    card, _, weights = prepared(tmp_path)
    monkeypatch.setattr(module, "PART", 6)
    own_images(card, weights, tmp_path / "whole" / "dataset.json")
    run, firsts = module.run_part, []

    def killed(*arguments, **named):
        firsts.append(arguments[5])
        if len(firsts) == 3:
            raise KeyboardInterrupt
        return run(*arguments, **named)

    monkeypatch.setattr(module, "run_part", killed)
    with pytest.raises(KeyboardInterrupt):
        own_images(card, weights, tmp_path / "own" / "dataset.json")
    assert not (tmp_path / "own" / "dataset.json").exists()
    own_images(card, weights, tmp_path / "own" / "dataset.json")
    assert firsts == [0, 5, 10, 10, 15]
    own, whole = (made(tmp_path / name / "dataset.json") for name in ("own", "whole"))
    for found, expected in zip(own, whole, strict=True):
        assert np.array_equal(found, expected)


def test_images_have_the_classes_that_they_were_made_of(tmp_path):
    card, _, weights = prepared(tmp_path, CLASSES, "adm")
    own_images(card, weights, tmp_path / "own" / "dataset.json")
    images, labels = made(tmp_path / "own" / "dataset.json")
    assert np.array_equal(labels, classes_of(OWN_SEED, range(20), 3)[0].numpy()) and len({*labels}) == 3
    assert images.shape == (20, 1, 16, 16)
    card["dot"]["training"]["train"] |= {"steps": 2}
    data = {"file": str(tmp_path / "own" / "dataset.json"), "size": 16}
    assert train_dot_on(card, data, weights, tmp_path / "dot.safetensors")["steps"] == 2


def test_a_key_is_of_dash_the_schedule_and_the_settings(tmp_path):
    card = prepared(tmp_path)[0]
    first = key_of(card, "aa")
    others = [key_of(card, "bb")]
    for change in ({"images": 21}, {"calls": 4}, {"sampler": "ddpm"}):
        others.append(key_of(prepared(tmp_path, **change)[0], "aa"))
    others.append(key_of({**card, "schedule": {**card["schedule"], "beta_end": 0.03}}, "aa"))
    assert len({first, *others}) == 6 and first == key_of(prepared(tmp_path)[0], "aa")
    card["dot"]["training"]["train"]["steps"] = 9
    assert key_of(card, "aa") == first


def test_parts_of_other_settings_are_not_taken(tmp_path, monkeypatch):
    card, _, weights = prepared(tmp_path)
    other = prepared(tmp_path, calls=4)[0]
    write = module._write
    monkeypatch.setattr(module, "_write", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        own_images(other, weights, tmp_path / "own" / "dataset.json")
    monkeypatch.setattr(module, "_write", write)
    own_images(card, weights, tmp_path / "own" / "dataset.json")
    expected = tmp_path / "expected" / "dataset.json"
    own_images(card, weights, expected)
    assert np.array_equal(next(iter(made(tmp_path / "own" / "dataset.json"))), next(iter(made(expected))))
