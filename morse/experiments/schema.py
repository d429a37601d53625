"""Checks of YAML content by a JSON schema, with errors of one line."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import yaml
from jsonschema import Draft202012Validator, ValidationError
from jsonschema.exceptions import best_match
from jsonschema.validators import extend

from morse.experiments.yaml import load_yaml
from morse.registry import unknown


def _is_integer(checker: Any, value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(checker: Any, value: Any) -> bool:
    return _is_integer(checker, value) or (isinstance(value, float) and math.isfinite(value))


# JSON schema takes 8.0 for an integer. Here paths hold numbers, and 8.0 is another path than 8.
_Validator = extend(
    Draft202012Validator,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine_many({"integer": _is_integer, "number": _is_number}),
)


def validate(content: Any, schema: Mapping[str, Any], source: str) -> None:
    """Checks ``content`` by ``schema`` (draft 2020-12). Whole numbers are written without a point.

    Raises:
        ValueError: one line that names ``source``, the key and the error; for a misspelt key also
            the nearest known one.
    """
    error = best_match(_Validator(schema).iter_errors(content))
    if error is None:
        return
    place = error.json_path.removeprefix("$").removeprefix(".") or "top level"
    message = error.message.partition("\n")[0]
    if error.validator == "additionalProperties" and isinstance(error.validator_value, bool):
        known = error.schema["properties"]
        message = unknown("key", next(key for key in error.instance if key not in known), known)
    raise ValueError(f"{source}: {place}: {message}{_hint(error)}")


def _hint(error: ValidationError) -> str:
    """How to write a value that has the right look and the wrong type."""
    if error.validator != "type":
        return ""
    wanted, value = error.validator_value, error.instance
    if wanted == "string" and not isinstance(value, (Mapping, list)):
        return "; put it in quotes"
    if isinstance(value, float) and value.is_integer() and "integer" in wanted:
        return f"; write {value:.0f}"
    if isinstance(value, str):
        try:
            meant = load_yaml(value)
        except (yaml.YAMLError, ValueError, TypeError):
            return ""
        if not isinstance(meant, str) and _Validator({"type": wanted}).is_valid(meant):
            return "; write it without quotes"
    return ""


def partial(content: Any) -> Any:
    """A copy of a schema in which no key is required."""
    if isinstance(content, Mapping):
        return {key: partial(value) for key, value in content.items() if key != "required"}
    return [partial(value) for value in content] if isinstance(content, list) else content
