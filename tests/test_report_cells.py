"""Numbers as text: their digits, errors, intervals and bounds."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from morse.report.cells import number, with_error, with_interval

NAN = float("nan")


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.012345, "0.0123"), (1234.5, "1234"), (50.0, "50"), (50, "50"), (0, "0"), (-2.345678, "-2.35"), (9.999, "10.00"),
     (1e-7 / 3, "3.33e-08"), (NAN, ""), (None, ""), (math.inf, "inf"), (np.int64(200), "200")],
)  # fmt: skip
def test_numbers_have_sensible_digits(value, text):
    assert number(value) == text


@given(st.floats(-1e12, 1e12))
def test_a_written_number_reads_back_to_its_digits(value):
    assert float(number(value, digits=4)) == pytest.approx(value, rel=5.1e-4)


def test_errors_give_the_digits_and_bounds_have_no_interval():
    assert with_error(14.2655, 0.873) == "14.27 ± 0.87"
    assert with_error(1234.0, 45.0) == "1234 ± 45"
    assert with_error(14.2655, NAN) == with_error(14.2655, 0.0) == "14.3"
    assert with_interval(1.279, 1.122, 1.522, "") == with_interval(1.279, 1.122, 1.522, NAN) == "1.28 [1.12, 1.52]"
    assert with_interval(1.279, 1.122, 1.522, "above") == ">= 1.28"
    assert with_interval(1.279, 1.122, 1.522, "below") == "<= 1.28"
    assert with_interval(1.279, NAN, NAN, "") == "1.28"
    assert with_interval(NAN, NAN, NAN, "above") == ""
