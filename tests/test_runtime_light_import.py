"""Jobs import no more of diffusers than its U-Net, and hiding the rest ends when that is done."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[1] / "workflow" / "scripts"


@pytest.fixture
def hidden(monkeypatch):
    from morse.runtime.light_import import hidden

    return hidden


@pytest.fixture
def package(tmp_path, monkeypatch):
    (tmp_path / "optional_one.py").write_text("value = 3\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    yield "optional_one"
    sys.modules.pop("optional_one", None)


def test_a_hidden_package_looks_absent_and_comes_back(hidden, package):
    with hidden(package):
        assert importlib.util.find_spec(package) is None
        with pytest.raises(ModuleNotFoundError):
            __import__(package)
    assert importlib.util.find_spec(package) is not None
    assert __import__(package).value == 3


def test_a_loaded_package_stays_and_others_are_untouched(hidden, package):
    loaded = __import__(package)
    with hidden(package):
        assert __import__(package) is loaded
        assert importlib.util.find_spec("json") is not None


def test_an_error_inside_restores_it(hidden, package):
    with pytest.raises(RuntimeError), hidden(package):
        raise RuntimeError
    assert importlib.util.find_spec(package) is not None


def run(code):
    done = subprocess.run([sys.executable, "-c", code], cwd=SCRIPTS, capture_output=True, encoding="utf-8", check=True)
    return done.stdout.split()


def test_a_job_loads_neither_the_extras_nor_the_compiler_and_can_later():
    code = """
import sys
from morse.runtime import light_import as lean
lean.import_unet()
import morse.dash.loading
print(*{*lean.EXTRAS, lean.COMPILER} & {*sys.modules})
import torch
print(torch.compiler.disable.__module__)
import torch._dynamo
import peft
print(peft.__name__)
"""
    assert run(code) == ["torch.compiler", "peft"]


def test_what_diffusers_has_seen_is_not_hidden_from_it():
    code = """
import diffusers
from morse.runtime import light_import as lean
lean.import_unet()
import morse.dot.network
print(diffusers.utils.is_peft_available())
"""
    assert run(code) == ["True"]


def test_the_library_hides_nothing():
    assert run("import morse.dash.loading, diffusers; print(diffusers.utils.is_transformers_available())") == ["True"]


def test_features_and_metrics_of_pixels_load_neither_transformers_nor_a_vae():
    code = """
import sys
import numpy as np
import morse.quality.extractors.clip, morse.quality.metrics, morse.quality.task_metrics
from morse.quality.extractors import load_extractor
for name in ("fashion-classifier", "efficientnet-lite0"):
    load_extractor(name)(np.zeros((1, 1, 32, 32), np.uint8))
print(*[name for name in sys.modules if name.startswith(("transformers", "tokenizers", "diffusers"))])
"""
    assert run(code) == []


def test_a_job_of_a_pixel_model_loads_no_text_model_and_no_autoencoder():
    code = """
import sys
from morse.runtime import light_import as lean
lean.import_unet()
from morse.experiments.cards import read_card
from morse.sampling.run import load_networks, sample
card = read_card("model", "cifar10-ddpm-mini")
dash = load_networks(card, ("dash",), None, "cpu")["dash"]
assert sample(dash, budget=1, images=1).shape == (1, 1, 32, 32)
odd = ("transformers", "tokenizers", "diffusers.models.autoencoders.autoencoder_kl")
print(*(name for name in odd if sys.modules.get(name)))
"""
    assert run(code) == []
