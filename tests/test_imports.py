"""Hiding optional packages is over when the block is."""

import importlib.util
import subprocess
import sys

import pytest

from morse.imports import without_optional_packages


@pytest.fixture
def package(tmp_path, monkeypatch):
    (tmp_path / "optional_one.py").write_text("value = 3\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield "optional_one"
    sys.modules.pop("optional_one", None)


def test_a_hidden_package_looks_absent_and_comes_back(package):
    with without_optional_packages("absent", package):
        assert importlib.util.find_spec(package) is None
        with pytest.raises(ModuleNotFoundError):
            __import__(package)
    assert importlib.util.find_spec(package) is not None
    assert __import__(package).value == 3


def test_a_loaded_package_stays_and_others_are_untouched(package):
    loaded = __import__(package)
    with without_optional_packages("absent", package):
        assert __import__(package) is loaded
        assert importlib.util.find_spec("json") is not None


def test_a_package_that_is_loaded_has_seen_them(package):
    with without_optional_packages("json", package):
        assert __import__(package).value == 3


def test_diffusers_may_be_imported_first():
    """Its own look at what is installed would contradict what we hide."""
    code = "import diffusers.schedulers.scheduling_ddim, morse.dot, morse.dash.ddpm, morse.dash.ddpmpp"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_error_inside_restores_it(package):
    with pytest.raises(RuntimeError), without_optional_packages("absent", package):
        raise RuntimeError
    assert importlib.util.find_spec(package) is not None
