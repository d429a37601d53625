"""Jobs that run at once take a GPU each."""

import subprocess
import sys
import tempfile

import pytest

CLAIM = "from morse.runtime.gpus import claim; print(claim({count}), flush=True); input()"


@pytest.fixture
def start(tmp_path, monkeypatch):
    """Starts a process that claims one of so many GPUs and holds it. Returns it and its index."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    started = []

    def one(count):
        process = subprocess.Popen(
            [sys.executable, "-c", CLAIM.format(count=count)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )
        started.append(process)
        return process, int(process.stdout.readline())

    yield one
    for process in started:
        process.kill()
        process.communicate()


def test_each_takes_one_of_its_own_and_a_killed_one_s_is_free_again(start):
    first, *_ = claimed = [start(3) for _ in range(3)]
    assert sorted(index for _, index in claimed) == [0, 1, 2]
    first[0].kill()
    first[0].wait()
    assert start(3)[1] == first[1]


def test_if_all_are_held_one_is_shared(start):
    assert [start(1)[1], start(1)[1]] == [0, 0]


def test_other_visible_gpus_are_other_locks(start, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5")
    assert start(2)[1] == 0
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "6,5")
    assert start(2)[1] == 0  # the GPU 6
    assert start(2)[1] == 1  # the GPU 5
