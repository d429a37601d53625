"""What the formats of files can hold, and what is refused."""

import io
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from morse.formats import require_images, require_json, require_number, require_text, storable

SHAPES = arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)
TYPES = st.one_of(
    arrays.boolean_dtypes(), arrays.integer_dtypes(), arrays.unsigned_integer_dtypes(), arrays.floating_dtypes(),
    arrays.unicode_string_dtypes(max_len=5),
)  # fmt: skip
TEXT = st.text(max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


def through_npz(array):
    stream = io.BytesIO()
    np.savez(stream, a=array)
    stream.seek(0)
    with np.load(stream) as file:
        return file["a"]


@given(
    arrays.arrays(TYPES, SHAPES) | st.integers(-(2**63), 2**63 - 1) | st.floats() | TEXT | st.lists(TEXT, max_size=3)
)
def test_what_is_storable_comes_back_equal(value):
    try:
        array = storable(value, "f.npz: a")
    except ValueError:  # NumPy drops zero bytes
        assert "\0" in str(value) or "\\x00" in repr(value)
        return
    back = through_npz(array)
    np.testing.assert_array_equal(back, np.asarray(value))
    assert back.dtype == array.dtype and (isinstance(value, np.ndarray) or back.tolist() == value or value != value)


@pytest.mark.parametrize(
    ("value", "message"),
    [(None, "is a NoneType"), ({"a": 1}, "is a dict"), (object(), "is a object"), (b"ab", "is a bytes"),
     (np.array([1, None]), "values of type object"), (np.array([{}]), "object"), (np.zeros(2, "V2"), "|V2"),
     (np.zeros(2, [("a", "u1")]), "('a', 'u1')"), (np.array(["2020-01-01"], "M8[D]"), "datetime64"),
     (np.ma.masked_array([1, 2], [0, 1]), "masked array"), ([[1], [2, 3]], "unlike lengths"), (["a", 1], "text beside"),
     ("a\0", "a zero byte"), (2**70, "values of type object")],
)  # fmt: skip
def test_what_is_not_storable_is_refused_in_one_line(value, message):
    with pytest.raises(ValueError) as error:
        storable(value, "f.npz: a")
    assert str(error.value).startswith("f.npz: a ") and message in str(error.value) and "\n" not in str(error.value)


@given(JSON)
def test_what_json_may_hold_comes_back_equal(content):
    require_json(content, "f.json")
    back = json.loads(json.dumps(content, ensure_ascii=False))
    assert back == content and repr(back) == repr(content)


@pytest.mark.parametrize(
    ("content", "message"),
    [(math.nan, "f.json: nan is no number"), ({"a": [1.0, math.inf]}, "f.json: a[1]: inf"),
     ({"a": {"b": np.float64("nan")}}, "f.json: a: b: "), ({3: "x"}, "the key 3 is no text, and JSON makes it text"),
     ({None: 1}, "the key None"), ({True: 1}, "the key True"), ({"a": (1, 2)}, "a: JSON holds no tuple; give a list"),
     ({"a": {1}}, "no set"), ({"a": np.float32(1)}, "no float32; give text, a number"), ([np.int64(1)], "no int64"),
     ([np.True_], "no bool; give"), ([np.zeros(2)], "no ndarray; give a list"), ([b"a"], "no bytes"),
     ([1j], "no complex")],
)  # fmt: skip
def test_what_json_cannot_hold_is_refused_in_one_line(content, message):
    with pytest.raises(ValueError) as error:
        require_json(content, "f.json")
    assert message in str(error.value) and str(error.value).startswith("f.json") and "\n" not in str(error.value)


def test_images_numbers_and_text_are_taken_as_they_are():
    require_images(np.zeros((2, 3, 4, 5), np.uint8), "f")
    require_images(np.zeros((1, 1, 1, 1), np.uint8)[..., ::-1], "f")
    require_number(0, "f", whole=True)
    require_number(0.5, "f")
    require_text("", "f")


@pytest.mark.parametrize("value", [-1, math.nan, math.inf, "1", None, True, np.float32(1), [1]])
def test_other_numbers_are_refused(value):
    with pytest.raises(ValueError, match="^f: seconds must be a number of 0 or more, not .*; convert it"):
        require_number(value, "f: seconds")
    with pytest.raises(ValueError, match="must be a whole number"):
        require_number(0.5, "f: first", whole=True)


@pytest.mark.parametrize("value", [1, None, b"a", ["a"]])
def test_other_text_is_refused(value):
    with pytest.raises(ValueError, match="^f: letters must be text, not"):
        require_text(value, "f: letters")
