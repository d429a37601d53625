"""YAML files, read so that a value means what it looks like, or is refused.

PyYAML follows YAML 1.1, in which ``010`` is 8, ``12:30`` is 750, ``1e-4`` is text, and the last of
two equal keys wins without a word. Here ``1e-4`` is a number, and the others are errors.
"""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import yaml


class Ambiguous(yaml.MarkedYAMLError):
    """Raised for YAML that two readers could understand differently."""


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with plain numbers, text keys, each key once, and no dates."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[str, Any]:
        seen = set()
        for key, _ in node.value:
            if key.tag == "tag:yaml.org,2002:merge":
                continue
            name = self.construct_object(key, deep=True)
            if not isinstance(name, str):
                hint = "quote it if it is a name; a decimal number has a point, as a comma begins the next entry"
                raise Ambiguous(problem=f"the key {key.value!r} is not text; {hint}", problem_mark=key.start_mark)
            if name in seen:
                raise Ambiguous(problem=f"the key {name!r} is there twice; take one out", problem_mark=key.start_mark)
            seen.add(name)
        return super().construct_mapping(node, deep)

    def construct_finite(self, node: yaml.ScalarNode) -> float:
        """A decimal number, with or without an exponent."""
        text = node.value.lower()
        value = math.nan if text.endswith((".nan", ".inf")) else float(text)
        if not math.isfinite(value):
            raise Ambiguous(problem=f"{node.value} is not a finite number", problem_mark=node.start_mark)
        return value

    def refuse(self, node: yaml.ScalarNode) -> None:
        """A number that not everybody reads as the same."""
        hint = "write it as a decimal number without leading zeros, or in quotes if it is text"
        raise Ambiguous(problem=f"{node.value} may be read as several numbers; {hint}", problem_mark=node.start_mark)


_DIGITS = list("-+.0123456789")
_KEPT = {f"tag:yaml.org,2002:{name}" for name in ("bool", "null", "merge")}
_NUMBERS = {
    "int": r"[-+]?(?:0|[1-9][0-9]*)",
    "float": r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:e[-+]?[0-9]+)?|[-+]?[0-9]+e[-+]?[0-9]+|[-+]?\.(?:inf|nan)",
    # Octal, hexadecimal and binary numbers, those in sixties, and those with separators.
    "ambiguous": r"[-+]?0[0-9_]+|[-+]?0x[0-9a-f_]+|[-+]?0o[0-7_]+|[-+]?0b[01_]+"
    r"|[-+]?[0-9]+(?::[0-5]?[0-9])+(?:\.[0-9_]*)?|[-+]?[0-9]+_[0-9_.]*",
}
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag in _KEPT]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for _name, _pattern in _NUMBERS.items():
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_name}", re.compile(f"^(?:{_pattern})$", re.IGNORECASE), _DIGITS)
_Loader.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(node.value))
_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.construct_finite)
_Loader.add_constructor("tag:yaml.org,2002:ambiguous", _Loader.refuse)


def load_yaml(text: str) -> Any:
    """The content of a YAML text, of the types that JSON has.

    >>> load_yaml("{learning_rate: 1e-4, grid: 1.0, when: 2020-01-01}")
    {'learning_rate': 0.0001, 'grid': 1.0, 'when': '2020-01-01'}

    Raises:
        yaml.YAMLError: for text that is no YAML, or that may be understood differently.
        ValueError, TypeError: for a loop, and for values that JSON does not have.
    """
    content = yaml.load(text, Loader=_Loader)
    json.dumps(content)
    return content


def read_yaml(path: Path) -> Any:
    """The content of a YAML file in UTF-8.

    Raises:
        ValueError: one line that names the file, for one that cannot be read, or as
            :func:`load_yaml`.
    """
    try:
        return load_yaml(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not text in UTF-8 (byte {error.start}); save it so") from error
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror}); check the path and its permissions") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}: " if mark else ""
        why = "" if isinstance(error, Ambiguous) else "not YAML: "
        raise ValueError(f"{path}: {why}{place}{error.problem or error.context}") from error
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"{path}: not YAML that JSON could hold: {' '.join(str(error).split())}") from error
