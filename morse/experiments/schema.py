"""Checks of YAML content by a JSON schema, with errors of one line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from morse.registry import unknown


def validate(content: Any, schema: Mapping[str, Any], source: str) -> None:
    """Checks ``content`` by ``schema`` (draft 2020-12).

    Raises:
        ValueError: one line that names ``source``, the key and the error; for a misspelt key also
            the nearest known one.
    """
    error = best_match(Draft202012Validator(schema).iter_errors(content))
    if error is None:
        return
    place = error.json_path.removeprefix("$").removeprefix(".") or "top level"
    message = error.message.partition("\n")[0]
    if error.validator == "additionalProperties":
        known = error.schema["properties"]
        message = unknown("key", next(key for key in error.instance if key not in known), known)
    raise ValueError(f"{source}: {place}: {message}")


def read_yaml(path: Path) -> Any:
    """The content of a YAML file. Raises ValueError, one line, if it is not YAML."""
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ValueError(f"{path}: not YAML: {' '.join(str(error).split())}") from error
