"""A job ends with its run, however that is killed, and not before."""

import os
import signal
import subprocess
import sys
import time

import pytest

from morse.runtime.orphans import LOCK, follow

JOB = """import pathlib, sys, time
from morse.runtime.orphans import follow

def end():
    pathlib.Path(sys.argv[1], "ended").touch()

follow(end)
pathlib.Path(sys.argv[1], "started").touch()
while not pathlib.Path(sys.argv[1], "stop").exists():
    time.sleep(0.02)
"""
# As Snakemake starts a job: by a shell, which outlives the run.
RUN = """import os, subprocess, sys
from morse.runtime.orphans import hold

hold()
shell = f"set -e; {sys.executable} -c \\"$JOB\\" {sys.argv[1]}; true"
subprocess.run(["bash", "-c", shell], env=os.environ | {"JOB": sys.argv[2]})
"""


def until(path, seconds=20):
    deadline = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < deadline, f"no {path.name}"
        time.sleep(0.02)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run with one job, whose files are in tmp_path; the lock is in a folder of its own."""
    (tmp_path / "locks").mkdir()
    environment = os.environ | {"TMPDIR": str(tmp_path / "locks")}
    process = subprocess.Popen([sys.executable, "-c", RUN, str(tmp_path), JOB], env=environment)
    until(tmp_path / "started")
    yield process
    (tmp_path / "stop").touch()
    process.kill()
    process.wait()


def test_a_job_ends_when_the_run_alone_is_killed(run, tmp_path):
    assert len(list((tmp_path / "locks").iterdir())) == 1
    time.sleep(0.3)
    assert not (tmp_path / "ended").exists(), "the run was still going on"
    # Not waited for: the run stays as a zombie, which still has its number.
    run.send_signal(signal.SIGKILL)
    until(tmp_path / "ended")
    assert list((tmp_path / "locks").iterdir()) == []


def test_a_run_that_ends_by_itself_leaves_no_lock(run, tmp_path):
    (tmp_path / "stop").touch()
    assert run.wait(timeout=20) == 0
    assert list((tmp_path / "locks").iterdir()) == [] and not (tmp_path / "ended").exists()


@pytest.mark.parametrize("value", [None, "/nowhere/morse-run-lost"])
def test_without_a_run_on_this_machine_there_is_nothing_to_follow(monkeypatch, value):
    monkeypatch.delenv(LOCK, raising=False) if value is None else monkeypatch.setenv(LOCK, value)
    follow(lambda: pytest.fail("nothing ended"))
