"""Names to objects."""

import subprocess
import sys

import pytest

from morse.dash import FAMILIES
from morse.quality.extractors import EXTRACTORS
from morse.registry import Registry, UnknownName, unknown
from morse.samplers import SAMPLERS
from morse.schedules.presets import SCHEDULES


def test_an_entry_is_the_object_it_names():
    registry = Registry("tool", {"sha": "morse.files:sha256"})
    from morse.files import sha256

    assert registry["sha"] is sha256


def test_entries_are_imported_when_asked_for():
    code = """
import sys
from morse.registry import Registry
registry = Registry("tool", {"colours": "colorsys:rgb_to_hsv", "absent": "no_such_module:x"})
assert "colors" not in registry and "colours" in registry and list(registry) == ["colours", "absent"]
assert "colorsys" not in sys.modules
registry["colours"]
assert "colorsys" in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_unknown_name_is_one_line_with_the_nearest_name():
    with pytest.raises(UnknownName) as error:
        SAMPLERS["dpm-solvr"]
    assert str(error.value) == "unknown sampler 'dpm-solvr'; did you mean 'dpm-solver'?"
    assert isinstance(error.value, KeyError)


def test_an_unknown_name_that_is_near_to_none_lists_all():
    assert unknown("task", "zzz", ["b", "a"]) == "unknown task 'zzz'; known: a, b"
    assert unknown("task", "zzz", []) == "unknown task 'zzz'; known: none"


def test_a_name_stands_for_one_thing():
    registry = Registry("tool")
    registry.add("a", "x:y")
    registry.add("a", "x:y")
    with pytest.raises(ValueError, match="tool 'a' is 'x:y' already, not 'x:z'"):
        registry.add("a", "x:z")


def test_registries_do_not_share_their_tables():
    entries = {"a": "x:y"}
    first, second = Registry("tool", entries), Registry("tool", entries)
    first.add("b", "x:z")
    assert "b" not in second and "b" not in entries


@pytest.mark.parametrize("registry", [FAMILIES, EXTRACTORS, SAMPLERS, SCHEDULES], ids=lambda registry: registry.kind)
def test_every_entry_of_the_library_can_be_loaded(registry):
    assert list(registry)
    assert all(callable(registry[name]) for name in registry)
