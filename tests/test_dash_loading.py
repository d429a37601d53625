"""Dash from a card: where its weights are, and what to do if published ones are not there."""

import pytest

from morse.dash.loading import card_of, dash_file, load_dash
from morse.experiments.cards import ROOT, read_card
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


def test_a_card_is_also_named_by_its_path(tmp_path):
    """As `morse train-dot` writes it. It is completed and checked as those in config/models."""
    text = (ROOT / "config" / "models" / "coco-sd14.yaml").read_text(encoding="utf-8")
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    assert card_of(str(path)) == read_card("model", "coco-sd14") == card_of("coco-sd14")
    path.write_text(text.replace("tasks:", "taks:"), encoding="utf-8")
    with pytest.raises(ValueError, match=r"mine\.yaml") as error:
        card_of(str(path))
    assert "\n" not in str(error.value)
    with pytest.raises(ValueError, match="unknown model '/no/card.yaml'"):
        card_of("/no/card.yaml")
