"""Dash from a card: where its weights are, and what to do if published ones are not there."""

import pytest

from morse.dash.loading import dash_file, load_dash
from morse.experiments.cards import read_card
from morse.files import DamagedFile
from morse.make_dot import make_dot


@pytest.fixture
def card(tmp_path, monkeypatch):
    monkeypatch.setenv("MORSE_WEIGHTS", str(tmp_path))
    return read_card("model", "cifar10-ddpm")


@pytest.mark.parametrize("load", [dash_file, load_dash, lambda card: make_dot(card, None, None, None)])
def test_published_weights_that_are_missing_are_one_line_with_the_remedy(card, tmp_path, load):
    with pytest.raises(DamagedFile, match=r"cifar10-ddpm.safetensors is missing; run `morse fetch` and") as error:
        load(card)
    assert "\n" not in str(error.value) and str(tmp_path) in str(error.value)


def test_weights_that_are_there_are_named(card, tmp_path):
    (tmp_path / "cifar10-ddpm.safetensors").touch()
    assert dash_file(card) == tmp_path / "cifar10-ddpm.safetensors"
