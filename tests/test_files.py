"""Hashes, required files, whole files."""

import hashlib

import pytest

from morse.files import (
    NUMBER,
    DamagedFile,
    open_npz,
    read_json,
    require,
    sha256,
    write_atomically,
    write_json,
    write_npz,
    write_text,
)

ABC = hashlib.sha256(b"abc").hexdigest()


def test_sha256_is_the_standard_one(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"abc" * 100_000)
    assert sha256(path) == sha256(str(path)) == hashlib.sha256(b"abc" * 100_000).hexdigest()


def test_a_required_file_is_returned_as_a_path(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    assert require(str(path)) == path
    assert require(path, hashlib.sha256(b"abc").hexdigest(), "weights") == path


def test_a_missing_or_altered_file_is_one_line_that_names_the_remedy(tmp_path):
    path = tmp_path / "a"
    with pytest.raises(DamagedFile, match=f"^weights {path} is missing; restore it") as missing:
        require(path, "0" * 64, "weights")
    path.write_bytes(b"abc")
    message = rf"^file {path} is damaged: sha256 ba7816bf8f01\.\.\., expected 0{{12}}\.\.\.; re"
    with pytest.raises(DamagedFile, match=message) as altered:
        require(path, "0" * 64)
    with pytest.raises(DamagedFile, match="is missing"):
        require(tmp_path)  # a folder
    assert "\n" not in f"{missing.value}{altered.value}"


def test_a_file_is_written_with_its_folders(tmp_path):
    path = tmp_path / "new" / "folder" / "a.txt"
    write_atomically(lambda temporary: temporary.write_text("whole", encoding="utf-8"), path)
    assert path.read_text(encoding="utf-8") == "whole"
    assert [p.name for p in path.parent.iterdir()] == ["a.txt"]


def test_a_failed_write_leaves_what_was_there(tmp_path):
    path = tmp_path / "a.txt"

    def half(temporary):
        temporary.write_text("half", encoding="utf-8")
        assert temporary.parent == path.parent  # else the rename would be a copy
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(half, path)
    assert list(tmp_path.iterdir()) == []
    path.write_text("old", encoding="utf-8")
    with pytest.raises(KeyboardInterrupt):
        write_atomically(half, path)
    assert path.read_text(encoding="utf-8") == "old" and list(tmp_path.iterdir()) == [path]


def test_a_hash_in_capitals_is_the_same_hash(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert require(tmp_path / "a", ABC.upper()) == tmp_path / "a"


@pytest.mark.parametrize(
    ("expected", "fault"),
    [(ABC[:12], "has 12 digits, not 64"), ("", "has 0 digits, not 64"), (ABC + "0", "has 65 digits, not 64"),
     ("g" * 64, "is not hexadecimal"), (f"sha256:{ABC}"[:64], "is not hexadecimal")],
)  # fmt: skip
def test_what_is_no_hash_is_said_so(tmp_path, expected, fault):
    (tmp_path / "a").write_bytes(b"abc")
    with pytest.raises(ValueError) as error:
        require(tmp_path / "a", expected)
    remedy = "give what `sha256sum` prints for the right file"
    assert str(error.value) == f"the expected sha256 of {tmp_path / 'a'} {fault}; {remedy}"


def test_hashes_that_differ_late_are_printed_whole(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    with pytest.raises(DamagedFile) as error:
        require(tmp_path / "a", ABC[:60] + "0000")
    assert f"sha256 {ABC}..., expected {ABC[:60]}0000..." in str(error.value)


@pytest.mark.parametrize(
    ("content", "needs", "fault"),
    [(b"{", {}, "Expecting property name"), (b"", {}, "Expecting value"), 
     (b'{"a": "\xe9"}', {}, "can't decode byte 0xe9"),
     (b"[" * 100_000, {}, "recursion"), (b"[1]", {"a": str}, "it has no a"), (b"3", {"a": str}, "it has no a"),
     (b'{"a": {}}', {"a.b": int}, "it has no a.b"), (b'{"a": [1]}', {"a.b": int}, "it has no a.b"),
     (b'{"a": 3}', {"a": str}, "a is of type int"), (b'{"a": {"b": []}}', {"a.b": NUMBER}, "a.b is of type list")],
)  # fmt: skip
def test_what_is_no_record_is_called_damaged_in_one_line(tmp_path, content, needs, fault):
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(DamagedFile, match=r"a is damaged \(.*\); delete it and run again$") as error:
        read_json(tmp_path / "a", needs)
    assert fault in str(error.value) and "\n" not in str(error.value)


def test_a_record_that_is_there_is_read_and_one_that_is_not_is_missing(tmp_path):
    write_json({"é": {"b": 1.5, "c": None}}, tmp_path / "a")
    assert read_json(tmp_path / "a", {"é.b": NUMBER, "é": dict}) == {"é": {"b": 1.5, "c": None}}
    assert (tmp_path / "a").read_bytes().startswith('{\n "é"'.encode())
    with pytest.raises(DamagedFile, match="b is missing; run again, which makes it$"):
        read_json(tmp_path / "b")
    with pytest.raises(DamagedFile, match="is damaged .*directory"):
        read_json(tmp_path)


def test_want_of_memory_is_not_called_damage(tmp_path):
    write_npz(tmp_path / "a", a=1)
    with pytest.raises(MemoryError), open_npz(tmp_path / "a", "file", "delete it"):
        raise MemoryError


def test_a_name_that_the_locale_lacks_is_said_so(tmp_path):
    for touch in (require, lambda path: write_text("a", path)):
        with pytest.raises(ValueError, match="cannot be named: the locale's encoding, utf-8, lacks .*; set LC_ALL="):
            touch(tmp_path / "\ud800")
