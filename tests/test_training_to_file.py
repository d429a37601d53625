"""From a recipe to a file of weights: the steps that all trainings share."""

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn

from morse.files import sha256
from morse.training.to_file import train_to_file

TRAIN = {
    "steps": 8,
    "learning_rate": 0.05,
    "warmup": 2,
    "ema_decay": 0.9,
    "precision": "float32",
    "checkpoint_every": 3,
}
RECIPE = {"batch_size": 4, "train": TRAIN}


def toy(killed_at=None):
    """Builds a layer with random weights, and its loss."""

    def make():
        layer = nn.Linear(3, 3)

        def loss(step, rng):
            if step == killed_at:
                raise KeyboardInterrupt
            return (layer(torch.randn((RECIPE["batch_size"], 3), generator=rng)) - 1).square().mean()

        return layer, loss

    return make


def test_the_record_is_of_the_training_and_of_the_file(tmp_path):
    record = train_to_file(toy(), RECIPE, tmp_path / "new" / "toy.safetensors", "toy")
    assert (record["steps"], record["precision"], record["recipe"]) == (8, "float32", RECIPE)
    assert record["sha256"] == sha256(tmp_path / "new" / "toy.safetensors")
    assert record["loss"] > 0 and record["seconds"] > 0
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["toy.safetensors"]  # no resume point is left


def test_weights_start_at_the_recipe_s_seed_whatever_ran_before(tmp_path):
    hashes = []
    for seed, before in ((0, 1), (0, 2), (1, 2)):
        torch.manual_seed(before)
        recipe = {**RECIPE, "train": {**TRAIN, "seed": seed}}
        hashes.append(train_to_file(toy(), recipe, tmp_path / f"{len(hashes)}.safetensors", "toy")["sha256"])
    assert hashes[0] == hashes[1] != hashes[2]


def test_a_killed_training_goes_on_and_ends_with_the_same_file(tmp_path):
    whole = train_to_file(toy(), RECIPE, tmp_path / "whole.safetensors", "toy")
    path = tmp_path / "halted.safetensors"
    with pytest.raises(KeyboardInterrupt):
        train_to_file(toy(killed_at=7), RECIPE, path, "toy")
    assert path.with_suffix(".resume").exists() and not path.exists()
    torch.manual_seed(99)
    assert train_to_file(toy(), RECIPE, path, "toy")["sha256"] == whole["sha256"]
    assert not path.with_suffix(".resume").exists()


@pytest.mark.parametrize(
    ("recipe", "made_of", "changed"),
    [({**RECIPE, "batch_size": 5}, {"data": "a"}, "recipe"), (RECIPE, {"data": "b"}, "data")],
)
def test_a_resume_point_of_another_recipe_or_other_data_is_refused(tmp_path, recipe, made_of, changed):
    path = tmp_path / "toy.safetensors"
    with pytest.raises(KeyboardInterrupt):
        train_to_file(toy(killed_at=7), RECIPE, path, "toy", made_of={"data": "a"})
    with pytest.raises(ValueError, match=rf"toy\.resume was made with another {changed}"):
        train_to_file(toy(), recipe, path, "toy", made_of=made_of)
    assert not path.exists()


def test_a_part_of_the_network_is_written_with_metadata(tmp_path):
    path = tmp_path / "toy.safetensors"
    train_to_file(toy(), RECIPE, path, "toy", state=lambda layer: {"bias": layer.bias}, made_for="something")
    assert set(load_file(path)) == {"bias"}
    with safe_open(path, "pt") as file:
        assert file.metadata() == {"made_for": "something"}


def test_an_unknown_setting_is_refused_before_anything_is_built(tmp_path):
    def make():
        pytest.fail("nothing is built")

    with pytest.raises(TypeError, match="stepz"):
        train_to_file(make, {"train": {"stepz": 3}}, tmp_path / "toy.safetensors", "toy")
