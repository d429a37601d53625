"""Options of cards have the names and types of what takes them."""

import math
from collections.abc import Sequence

import pytest

from morse.options import check_options


def takes(
    schedule: str,
    clip: bool = True,
    order: int = 2,
    eta: float = 0.0,
    grid: str = "uniform",
    times: Sequence[float] | None = None,
    few: int | None = None,
) -> None: ...


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"clip": False, "order": 3, "eta": 1, "grid": "a"},
        {"eta": 0.5, "times": [999, 0.5], "few": None},
        {"times": None, "few": 10},
    ],
)
def test_values_of_the_right_type_pass(options):
    check_options("option of a thing", options, takes, given=["schedule"])


WANTED = {
    "clip": ("true or false", ["false", "true", 0, 1, 1.0, None, [], {}]),
    "order": ("a whole number", ["2", 2.0, True, None, math.nan, [2]]),
    "eta": ("a finite number", ["0.5", "1e-3", True, None, math.nan, math.inf, -math.inf, [0.5]]),
    "grid": ("text", [1, True, None, ["uniform"], {"uniform": None}]),
    "times": ("a list of finite numbers or null", ["999", 999, [999, "0"], [math.nan], [True], {}, [[1]]]),
    "few": ("a whole number or null", ["10", 1.5, False, [1]]),
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, (_, bad) in WANTED.items() for value in bad])
def test_a_value_of_another_type_is_one_line(name, value):
    with pytest.raises(ValueError) as error:
        check_options("option of a thing", {name: value}, takes, given=["schedule"])
    assert str(error.value) == f"option of a thing {name!r} is {WANTED[name][0]}, not {value!r}"


@pytest.mark.parametrize("name", ["ordr", "schedule", "Clip"])
def test_an_unknown_option_is_one_line(name):
    with pytest.raises(ValueError, match=f"unknown option of a thing '{name}'; "):
        check_options("option of a thing", {name: 1}, takes, given=["schedule"])
