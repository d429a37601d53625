"""Shards cover a run once, survive the disk, are whole or absent, and fit together."""

import os
import subprocess
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from morse.data.parts import bounds
from morse.files import DamagedFile
from morse.provenance import provenance
from morse.sampling.shards import Shard, joint_provenance, load_shard, read_shards, save_shard


def shard(n=3, memory=None, **provenance):
    images = np.random.default_rng(n).integers(0, 256, (n, 1, 4, 4), dtype=np.uint8)
    return Shard(images, 40, 1.25, "D.D..", memory, provenance, {"D": 1.0, ".": 0.2}, 0.25)


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
    for name in ("first", "seconds", "letters", "memory", "provenance", "costs", "decoding"):
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


NOW = {key: provenance()[key] for key in ("code", "versions")}
BY = NOW | {"device": "EPYC, 2 cores", "execution": {"dash": "eager"}}


def run_of(folder, *changes):
    """Shards of three images each, one for each of the changes, in order of age."""
    paths = [folder / f"shard={number}.npz" for number in range(len(changes))]
    for number, (path, change) in enumerate(zip(paths, changes, strict=True)):
        save_shard(replace(replace(shard(**BY), first=3 * number), **change), path)
        os.utime(path, (number, number))
    return paths


def by(**changes):
    return {"provenance": BY | changes}


def left_by_the_command_of(paths):
    """What is left after the command in the message about unlike shards; and the message."""
    with pytest.raises(ValueError) as error:
        read_shards(paths)
    message = str(error.value)
    assert "\n" not in message
    command = message.split("to sample anew: ")[1].removesuffix(", then run again")
    subprocess.run(command, shell=True, check=True)
    return [int(path.stem[-1]) for path in paths if path.exists()], message


def test_shards_are_read_in_the_order_of_their_images(tmp_path):
    paths = run_of(tmp_path, {}, {}, {})
    assert [one.first for one in read_shards(paths[::-1])] == [0, 3, 6]


@pytest.mark.parametrize(
    ("older", "said"),
    [
        ({"letters": "DDD.."}, "the calls DDD.., and shard=1.npz with D.D..;"),
        ({"letters": "D" * 99}, f"the calls {'D' * 40}... (99 letters), and shard=1.npz with D.D..;"),
        ({"costs": {"D": 1.0}}, "the costs of calls {'D': 1.0}, and shard=1.npz with {'D': 1.0, '.': 0.2};"),
        (by(device="an H100"), "the device an H100, and shard=1.npz with EPYC;"),
        (by(execution={"dash": "compiled"}), "the execution {'dash': 'compiled'}, and shard=1.npz with"),
        (by(code="an older one"), f"code an older one, and shard=1.npz with {NOW['code']};"),
        (by(versions=NOW["versions"] | {"torch": "1"}), f"torch 1, and shard=1.npz with {NOW['versions']['torch']};"),
        (by(versions=NOW["versions"] | {"numpy": "1"}), "numpy 1, and shard=1.npz with"),
        ({"provenance": {}}, "the device None, and shard=1.npz with EPYC;"),
    ],
)
def test_shards_made_unlike_are_told_by_file_field_values_and_command(tmp_path, older, said):
    paths = run_of(tmp_path / "it's a run", older, {})
    left, message = left_by_the_command_of(paths)
    assert left == [1] and message.startswith(f"shard {paths[0]} was made with {said}")


def test_the_command_leaves_what_fits_the_shards_that_are_sampled_next(tmp_path):
    """Those that the code of now has made, though an older version may have been run later."""
    other = by(code="another")
    assert left_by_the_command_of(run_of(tmp_path / "a", {}, other, {}))[0] == [0, 2]
    assert left_by_the_command_of(run_of(tmp_path / "b", {}, other, other))[0] == [0]
    assert left_by_the_command_of(run_of(tmp_path / "c", other, by(code="a third")))[0] == []


@pytest.mark.parametrize(
    "change",
    [
        by(device="EPYC, 16 cores"),
        by(versions=NOW["versions"] | {"pandas": "1"}),
        by(commit="of a change of the README", dirty=None, python="3.11.0"),
        {"seconds": 9.0, "memory": 7},
    ],
)
def test_shards_may_differ_in_what_decides_no_image(tmp_path, change):
    assert len(read_shards(run_of(tmp_path, change, {}))) == 2


def test_shards_of_one_older_version_go_together(tmp_path):
    assert len(read_shards(run_of(tmp_path, by(code="older"), by(code="older")))) == 2


def test_the_joint_provenance_has_all_numbers_of_cores(tmp_path):
    shards = read_shards(run_of(tmp_path, by(device="EPYC, 16 cores"), {}, by(device="EPYC, 16 cores")))
    assert joint_provenance(shards) == BY | {"device": "EPYC, 2 and 16 cores"}
    assert joint_provenance([shard(device="an H100"), shard(device="an H100")]) == {"device": "an H100"}


def test_missing_and_doubled_images_are_told_with_the_command(tmp_path):
    paths = run_of(tmp_path, {}, {}, {})
    with pytest.raises(
        ValueError, match=r"image 3 of the run is missing or appears twice; to sample anew: rm .*0\.npz"
    ):
        read_shards([paths[0], paths[2]])
    save_shard(replace(shard(**BY), first=2), paths[1])
    left, message = left_by_the_command_of(paths)
    assert left == [] and message.startswith("image 3 of the run is missing or appears twice")
