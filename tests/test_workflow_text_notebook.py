"""The notebook of text models runs on a tiny one, and says in a line what is not there."""

import json

import pytest
import torch
import yaml
from networks import shake
from test_workflow_notebook import executed
from text_models import text_card, text_dash, write_dash

from morse.checkpoints import write_state
from morse.dash.loading import load_dash
from morse.dot.loading import adapted_dot, form_of
from morse.dot.lora import own_state

PROMPTS = ["a cat on a mat", "ein Haus am See bei Nacht, im Stil eines alten Ölgemäldes, 4k 🏡✨ 美しい家"]
SMALL = {"prompts": PROMPTS, "budgets": [2, 3], "guidances": [1.0, 4.0], "guidance": 4.0}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny model as files: its card, Dash's weights, and Dot's, which no card names."""
    folder = tmp_path_factory.mktemp("model")
    card = text_card()
    card = write_dash(card, text_dash(card), folder / "dash.safetensors")
    dash = load_dash(card)
    torch.manual_seed(1)
    dot = adapted_dot(card, dash)
    shake(dot, 1)
    made_for = json.dumps({"dash": dash.weights, "form": form_of(card)})
    write_state(own_state(dot), folder / "dot.safetensors", made_for=made_for)
    (folder / "card.yaml").write_text(yaml.safe_dump(card), encoding="utf-8")
    return folder


def texts(outputs):
    return "".join(output.get("text", "") for output in outputs if output.get("name") == "stdout")


def test_baseline_and_morse_are_beside_each_other(folder, tmp_path, monkeypatch):
    files = {"model": str(folder / "card.yaml"), "dot": str(folder / "dot.safetensors")}
    outputs, shown = executed("text_to_image.ipynb", files | SMALL, tmp_path, monkeypatch)
    assert sum("image/png" in output.data for output in shown) == 2
    table = shown[-1].data["text/html"]
    assert table.count("<td>baseline</td>") == table.count("<td>morse</td>") == 3  # 2 budgets and 1 more scale
    assert texts(outputs) == "" and not any("Glyph" in output.get("text", "") for output in outputs)


def test_without_a_dot_there_is_the_baseline_alone(folder, tmp_path, monkeypatch):
    alone = {"model": str(folder / "card.yaml")} | SMALL
    outputs, shown = executed("text_to_image.ipynb", alone, tmp_path, monkeypatch)
    assert sum("image/png" in output.data for output in shown) == 2
    assert "morse" not in shown[-1].data["text/html"]
    assert texts(outputs).startswith("There is no Dot, so all images are the baseline's.")


def test_weights_that_are_not_there_are_one_line(tmp_path, monkeypatch):
    """No parameters: the notebook as it ships."""
    monkeypatch.setenv("MORSE_WEIGHTS", str(tmp_path))
    outputs, shown = executed("text_to_image.ipynb", {}, tmp_path, monkeypatch)
    assert shown == [] and texts(outputs).count("\n") == 1
    assert "coco-sd14.safetensors is missing; run `morse fetch` and `morse convert`" in texts(outputs)
