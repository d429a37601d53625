"""YAML means what it looks like, or is one line that names the file."""

import json

import pytest
import yaml

from morse.experiments.yaml import read_yaml


def read(folder, content):
    path = folder / "a.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_yaml(path)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4),
        ("-2E3", -2000.0),
        ("1.5e+3", 1500.0),
        (".5", 0.5),
        ("1.", 1.0),
        ("+3", 3),
        ("0", 0),
        ("yes", True),
        ("off", False),
        ("~", None),
        ("2020-01-01", "2020-01-01"),
        ("'010'", "010"),
        ("ddim-10", "ddim-10"),
        ("0b3fe", "0b3fe"),  # the start of a hash
        ("7e1f2", "7e1f2"),
    ],
)
def test_values_have_the_meaning_that_they_look_like(text, value, tmp_path):
    found = read(tmp_path, f"key: {text}\n")["key"]
    assert found == value and type(found) is type(value)


NUMBERS = ["010", "00", "007", "-012", "0x1F", "0o17", "0b101", "1_000", "12:30", "1:30:00", "0_1"]


@pytest.mark.parametrize("text", NUMBERS)
@pytest.mark.parametrize("form", ["{}", "[1, {}]", "{{a: {}}}"])
def test_a_number_that_readers_understand_differently_is_refused(form, text, tmp_path):
    with pytest.raises(ValueError, match=f"a.yaml: line 2: {text} may be read as several numbers; write it as"):
        read(tmp_path, f"first: 1\nkey: {form.format(text)}\n")


@pytest.mark.parametrize("text", [".nan", ".NaN", ".inf", "-.inf", "+.Inf", "1e400", "-1e999"])
def test_numbers_that_are_not_finite_are_refused(text, tmp_path):
    with pytest.raises(ValueError, match=r"a.yaml: line 1: .* is not a finite number$"):
        read(tmp_path, f"key: {text}\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\na: 2\n", "line 2: the key 'a' is there twice; take one out"),
        ("{a: {b: 1, c: 2, b: 1}}", "line 1: the key 'b' is there twice"),
        ('{"a": 1, "a": 1}', "line 1: the key 'a' is there twice"),
        ("{dot_share: 0,25}", "line 1: the key '25' is not text; quote it if it is a name; a decimal number has a p"),
        ("on: 1", "line 1: the key 'on' is not text"),
        ("~: 1", "line 1: the key '~' is not text"),
        ("[1, 2]: 1", "line 1: the key"),
        ("a: [1, 2", "not YAML: line 1: "),
        ("a: 'b': c", "not YAML: line 1: mapping values are not allowed"),
        ("\ta: 1", "not YAML: line 1: found character"),
        ("a: 1\n---\nb: 2", "not YAML: line 2: but found another document"),
        ("a: *b", "not YAML: line 1: found undefined alias 'b'"),
        ("a: !!python/object:os.system x", "not YAML: line 1: could not determine a constructor"),
        ("a: &a [*a]", "not YAML that JSON could hold: Circular reference"),
        ("a: !!set {b}", "not YAML that JSON could hold"),
        ("a: !!binary aGVsbG8=", "not YAML that JSON could hold"),
        ("a: !!int '0x10'", "not YAML that JSON could hold"),
        (b"# caf\xe9\na: 1", "not text in UTF-8 (byte 5); save it so"),
        (b"\xff\xfea\x00", "not text in UTF-8"),
    ],
)
def test_what_yaml_forbids_is_one_line(text, message, tmp_path):
    with pytest.raises(ValueError) as error:
        read(tmp_path, text)
    assert str(error.value).startswith(f"{tmp_path / 'a.yaml'}: {message}") and "\n" not in str(error.value)


def test_a_folder_and_a_missing_file_are_one_line(tmp_path):
    for path in (tmp_path, tmp_path / "missing.yaml"):
        with pytest.raises(ValueError, match="cannot be read .*; check the path and its permissions"):
            read_yaml(path)


def test_anchors_and_merges_still_work(tmp_path):
    assert read(tmp_path, "a: &x {b: 1, c: 2}\nd: {<<: *x, c: 3}\n")["d"] == {"b": 1, "c": 3}


def test_a_file_begins_with_a_mark_of_its_order_or_without(tmp_path):
    assert read(tmp_path, "\ufeffa: 1\n") == {"a": 1}


@pytest.mark.parametrize("content", [{"a": [1, 2.5, "x", None, True], "b": {"c": "é", "d": "010"}}, [], {}])
def test_what_pyyaml_and_json_write_is_read_as_it_was(content, tmp_path):
    assert read(tmp_path, yaml.safe_dump(content)) == content
    assert read(tmp_path, json.dumps(content)) == content
