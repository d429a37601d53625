"""Hashes, required files, whole files."""

import hashlib

import pytest

from morse.files import DamagedFile, require, sha256, write_atomically


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
    write_atomically(lambda temporary: temporary.write_text("whole"), path)
    assert path.read_text() == "whole"
    assert [p.name for p in path.parent.iterdir()] == ["a.txt"]


def test_a_failed_write_leaves_what_was_there(tmp_path):
    path = tmp_path / "a.txt"

    def half(temporary):
        temporary.write_text("half")
        assert temporary.parent == path.parent  # else the rename would be a copy
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(half, path)
    assert list(tmp_path.iterdir()) == []
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt):
        write_atomically(half, path)
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]
