"""Every setting that the schemas have, with every kind of wrong value. A new setting is covered by
existing."""

import copy
import json
import math

import pytest

from morse.experiments.cards import schema
from morse.experiments.schema import partial, validate
from morse.experiments.yaml import load_yaml

KINDS = ["config", "model", "task", "sampler", "extractor", "claims"]


def resolved(part, whole):
    """A part of a schema without references."""
    if isinstance(part, dict):
        if "$ref" in part:
            return resolved(whole["$defs"][part["$ref"].rpartition("/")[2]], whole)
        return {key: resolved(value, whole) for key, value in part.items()}
    return [resolved(value, whole) for value in part] if isinstance(part, list) else part


def example(part):
    """A valid value with every key that the schema knows."""
    if "const" in part or "enum" in part:
        return part["const"] if "const" in part else part["enum"][0]
    if "anyOf" in part:
        return example(part["anyOf"][0])
    kind = part.get("type", "object")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        made = {key: example(value) for key, value in part.get("properties", {}).items()}
        more = part.get("additionalProperties")
        return made | ({"extra": example(more)} if isinstance(more, dict) else {})
    if kind == "array":
        return [example(part["items"])] * part.get("minItems", 1)
    low = part.get("minimum", part.get("exclusiveMinimum", 0))
    high = part.get("maximum", part.get("exclusiveMaximum"))
    return {
        "integer": int(low) + ("exclusiveMinimum" in part),
        "number": (low + high) / 2 if high is not None else low + 1.5,
        "string": "text",
        "boolean": True,
    }[kind]


def leaves(part, place=()):
    """(place, its schema) of every scalar setting."""
    if "anyOf" in part:
        yield from leaves(part["anyOf"][0], place)
        return
    for key, value in part.get("properties", {}).items():
        yield from leaves(value, (*place, key))
    if isinstance(part.get("additionalProperties"), dict):
        yield from leaves(part["additionalProperties"], (*place, "extra"))
    if isinstance(part.get("items"), dict):
        yield from leaves(part["items"], (*place, 0))
    if "enum" in part or "const" in part or part.get("type") not in (None, "object", "array"):
        yield place, part


WHOLE = {kind: resolved(schema(kind), schema(kind)) for kind in KINDS}
LEAVES = [(kind, place, part) for kind in KINDS for place, part in leaves(WHOLE[kind])]


def wrong_values(part):
    """Values of another type, quoted numbers, numbers that are not finite or out of range."""
    kinds = part.get("type", "string")
    kinds = kinds if isinstance(kinds, list) else [kinds]
    wrong = [[], {}, ["text"]]
    if "enum" in part:
        return [*wrong, "none of these", 1.5, True, None]
    wrong += [] if "null" in kinds else [None]
    if {"integer", "number"} & {*kinds}:
        wrong += ["1", "1.5", "1e-3", True, math.nan, math.inf, "text"]
        wrong += [1.5, 2.0] if "integer" in kinds else []
        wrong += [part["minimum"] - 1] if "minimum" in part else []
        wrong += [part["exclusiveMinimum"]] if "exclusiveMinimum" in part else []
        wrong += [part["maximum"] + 1] if "maximum" in part else []
        wrong += [part["exclusiveMaximum"]] if "exclusiveMaximum" in part else []
    if "string" in kinds:
        wrong += [1, 1.5, True]
    if "boolean" in kinds:
        wrong += ["true", "false", 0, 1]
    return wrong


def changed(content, place, value):
    """A copy with the value at one place."""
    content = copy.deepcopy(content)
    target = content
    for key in place[:-1]:
        target = target[key]
    target[place[-1]] = value
    return content


def loose(kind):
    """The schema without the conditions between settings."""
    return {key: value for key, value in partial(schema(kind)).items() if key != "allOf"}


@pytest.mark.parametrize("kind", KINDS)
def test_the_examples_of_these_tests_are_valid(kind):
    if kind != "claims":  # of which some settings exclude each other
        validate(example(WHOLE[kind]), schema(kind), "file")
    assert len([place for of, place, _ in LEAVES if of == kind]) >= 2


@pytest.mark.parametrize(("kind", "place", "part"), [leaf for leaf in LEAVES if leaf[0] != "claims"])
def test_every_setting_refuses_wrong_types_and_ranges(kind, place, part):
    right = example(WHOLE[kind])
    for value in wrong_values(part):
        with pytest.raises(ValueError, match="^file.yaml: ") as error:
            validate(changed(right, place, value), loose(kind), "file.yaml")
        message = str(error.value)
        assert "\n" not in message, value
        assert next(str(key) for key in reversed(place) if key not in (0, "extra")) in message, (value, message)


def mappings(content, place=()):
    """(place, key) of every key of every mapping."""
    if isinstance(content, dict):
        for key, value in content.items():
            yield place, key
            yield from mappings(value, (*place, key))
    if isinstance(content, list):
        for index, value in enumerate(content):
            yield from mappings(value, (*place, index))


def twice(content, place, key):
    """JSON text of content, in which the mapping at ``place`` has ``key`` twice."""
    inner = content
    for step in place:
        inner = inner[step]
    body = f"{{{json.dumps(key)}: {json.dumps(inner[key])}, {json.dumps(inner)[1:]}"
    return json.dumps(changed(content, place, "@inner@")).replace('"@inner@"', body) if place else body


@pytest.mark.parametrize("kind", KINDS)
def test_every_setting_that_is_there_twice_is_refused(kind):
    right = example(WHOLE[kind])
    for place, key in mappings(right):
        with pytest.raises(Exception, match=f"the key '{key}' is there twice"):
            load_yaml(twice(right, place, key))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "claims"])
def test_every_misspelt_key_names_the_nearest(kind):
    right = example(WHOLE[kind])
    for place, key in mappings(right):
        if "extra" in (*place, key) or "schedule" in place:  # names of cards, and settings of a schedule
            continue
        inner = right
        for step in place:
            inner = inner[step]
        renamed = {f"{name}x" if name == key else name: value for name, value in inner.items()}
        with pytest.raises(ValueError) as error:
            validate(changed(right, place, renamed) if place else renamed, loose(kind), "file")
        assert f"unknown key '{key}x'; did you mean '{key}'?" in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("value", "hint"),
    [("400", "; write it without quotes"), (400.0, "; write 400"), ("4x", ""), (40.5, ""), ("1e2", "")],
)
def test_a_value_that_only_looks_right_has_a_hint(value, hint):
    with pytest.raises(ValueError) as error:
        validate({"images": value}, partial(schema("config")), "file")
    assert str(error.value) == f"file: images: {value!r} is not of type 'integer'{hint}"


def test_a_name_that_is_no_text_is_to_be_quoted():
    with pytest.raises(ValueError, match="tasks.0.: False is not of type 'string'; put it in quotes"):
        validate({"tasks": [False]}, partial(schema("model")), "file")
