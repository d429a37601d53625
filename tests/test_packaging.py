"""The package's metadata agree with each other."""

import tomllib
from pathlib import Path

import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
CONDA_NAMES = {"pytorch": "torch", "python-lmdb": "lmdb"}

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def ranges(requirements):
    parsed = [Requirement(text) for text in requirements]
    return {canonicalize_name(r.name): r.specifier for r in parsed}


def project_ranges():
    return ranges(PROJECT["dependencies"] + PROJECT["optional-dependencies"]["dev"])


def optional_ranges():
    """Of packages for one data set only, which requirements.lock leaves out."""
    return ranges(PROJECT["optional-dependencies"]["lsun"])


def test_conda_environment_has_the_projects_ranges():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    entries = environment["dependencies"]
    conda = ranges(entry for entry in entries if isinstance(entry, str))
    from_pip = ranges(entry for group in entries if isinstance(group, dict) for entry in group["pip"])
    assert environment["name"] == PROJECT["name"]
    assert conda.pop("python") == SpecifierSet(PROJECT["requires-python"])
    assert conda.pop("pip") == SpecifierSet()
    assert {CONDA_NAMES.get(name, name): specifier for name, specifier in conda.items()} | from_pip == (
        project_ranges() | optional_ranges()
    )


def test_lock_pins_a_release_in_each_range():
    pins = {}
    for line in (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines():
        (pin,) = Requirement(line).specifier
        assert line == f"{Requirement(line).name}=={pin.version}", (
            f"not a plain pin: {line}"
        )  # no URL, no host, no marker
        pins[canonicalize_name(Requirement(line).name)] = pin.version
    for name, specifier in project_ranges().items():
        assert name in pins, f"requirements.lock lacks {name}"
        assert pins[name] in specifier, f"requirements.lock has {name} {pins[name]}, outside {specifier}"
