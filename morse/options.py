"""Options of cards: does what takes them know their names, and are their values of its types?"""

from __future__ import annotations

import inspect
import math
import types
import typing
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from morse.registry import require_known


def check_options(
    what: str, options: Mapping[str, Any], takes: Callable[..., Any], given: Collection[str] = ()
) -> None:
    """Checks options from YAML by the names and types of the parameters that ``takes`` has.

    >>> def noise(sigma: float = 1.0, clip: bool = False): ...
    >>> check_options("option of noise", {"clip": "false"}, noise)
    Traceback (most recent call last):
    ValueError: option of noise 'clip' is true or false, not 'false'

    Args:
        what: what error messages call such an option.
        takes: a function, or a class by the parameters of its construction.
        given: parameters that are no options, as the caller gives them.

    Raises:
        ValueError: one line, for an unknown option, or a value of another type.
    """
    parameters = [name for name in inspect.signature(takes).parameters if name not in given]
    require_known(what, options, parameters)
    hints = typing.get_type_hints(takes)
    for name, value in options.items():
        kinds = _alternatives(hints[name])
        if not any(_is_of(value, kind) for kind in kinds):
            wanted = " or ".join(_NAMES[_origin(kind)] for kind in kinds)
            raise ValueError(f"{what} {name!r} is {wanted}, not {value!r}")


_NAMES = {
    bool: "true or false",
    int: "a whole number",
    float: "a finite number",
    str: "text",
    Sequence: "a list of finite numbers",
    types.NoneType: "null",
}


def _origin(kind: Any) -> Any:
    return typing.get_origin(kind) or kind


def _alternatives(kind: Any) -> tuple[Any, ...]:
    return typing.get_args(kind) if _origin(kind) in (types.UnionType, typing.Union) else (kind,)


def _is_of(value: Any, kind: Any) -> bool:
    if _origin(kind) is Sequence:
        (item,) = typing.get_args(kind)
        return isinstance(value, Sequence) and not isinstance(value, str) and all(_is_of(v, item) for v in value)
    if kind is float:
        return _is_of(value, int) or (isinstance(value, float) and math.isfinite(value))
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
