"""Shards cover a run once, survive the disk, and are whole or absent."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from morse.data.parts import bounds
from morse.files import DamagedFile
from morse.sampling.shards import Shard, load_shard, save_shard


def shard(n=3, memory=None, **provenance):
    images = np.random.default_rng(n).integers(0, 256, (n, 1, 4, 4), dtype=np.uint8)
    return Shard(images, 40, 1.25, "D.D..", memory, provenance, {"D": 1.0, ".": 0.2})


@pytest.fixture
def path(tmp_path):
    save_shard(shard(), tmp_path / "shard-1.npz")
    return tmp_path / "shard-1.npz"


def refused(path):
    """The one line about a damaged shard."""
    with pytest.raises(DamagedFile) as error:
        load_shard(path)
    message = str(error.value)
    assert "\n" not in message
    assert str(path) in message
    return message


@given(st.integers(0, 60_000), st.integers(1, 300))
def test_bounds_cover_each_image_once(images, shards):
    parts = [bounds(images, shards, index) for index in range(shards)]
    assert parts[0][0] == 0
    assert all(first + count == following for (first, count), (following, _) in pairwise(parts))
    assert sum(count for _, count in parts) == images
    counts = {count for _, count in parts}
    assert max(counts) - min(counts) <= 1


@pytest.mark.parametrize(
    ("memory", "provenance"), [(None, {}), (3_000_000_000, {"device": "NVIDIA H100", "versions": {"torch": "2"}})]
)
def test_a_saved_shard_is_loaded_as_it_was(memory, provenance, tmp_path):
    saved = shard(memory=memory, **provenance)
    save_shard(saved, tmp_path / "new" / "s")
    loaded = load_shard(tmp_path / "new" / "s")
    np.testing.assert_array_equal(loaded.images, saved.images)
    assert loaded.images.dtype == np.uint8
    for name in ("first", "seconds", "letters", "memory", "provenance", "costs"):
        assert getattr(loaded, name) == getattr(saved, name)


def test_a_missing_shard_is_an_error(tmp_path):
    assert "is missing" in refused(tmp_path / "none.npz")


def test_a_truncated_shard_is_an_error(path):
    whole = path.read_bytes()
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        assert "delete it and run again" in refused(path)


@pytest.mark.parametrize(
    "content", [b"garbage", b"\0" * 1000, b"PK\x03\x04" + b"x" * 200, b"\x93NUMPY\x01\x00" + b"x" * 200]
)
def test_garbage_is_an_error(content, path):
    path.write_bytes(content)
    assert "delete it and run again" in refused(path)


def test_other_arrays_are_an_error(path):
    long_header = np.zeros(
        1, dtype=[(f"field {index}", "u1") for index in range(1000)]
    )  # NumPy's complaint has several lines
    for arrays in ({"images": np.zeros(3)}, {"calls": long_header}):
        with open(path, "wb") as file:
            np.savez(file, **arrays)
        assert "delete it and run again" in refused(path)
    with open(path, "wb") as file:
        np.save(file, np.zeros(3))
    assert "delete it and run again" in refused(path)


def test_a_flipped_byte_is_an_error_or_harmless(path):
    whole, saved = path.read_bytes(), load_shard(path)
    caught = 0
    for position in range(0, len(whole), 3):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0xFF]) + whole[position + 1 :])
        try:
            loaded = load_shard(path)
        except DamagedFile as error:
            caught += 1
            assert "\n" not in str(error)
        else:  # a time stamp of the archive, or the like
            np.testing.assert_array_equal(loaded.images, saved.images)
            assert (loaded.first, loaded.seconds, loaded.letters) == (40, 1.25, "D.D..")
    assert caught > len(whole) / 3 / 2


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, OSError])
def test_an_interrupted_save_leaves_what_was_there(interruption, path, monkeypatch):
    def half(file, **arrays):
        file.write(b"PK\x03\x04 half")
        file.flush()
        raise interruption

    whole = path.read_bytes()
    monkeypatch.setattr(np, "savez", half)
    for target in (path, path.with_name("new.npz")):
        with pytest.raises(interruption):
            save_shard(shard(5), target)
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert path.read_bytes() == whole
