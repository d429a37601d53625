"""What the scripts of jobs share: errors as one line, and a log in any locale and on any disk."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[1] / "workflow" / "scripts"
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
BEGIN = """
import resource, sys
from types import SimpleNamespace
from adapter import job
from morse.files import DamagedFile, write_text
from morse.registry import Registry

def full():
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))

with job(SimpleNamespace(log=[sys.argv[1]], rule="made")):
    """


def run(body, log, **environment):
    command = [sys.executable, "-c", BEGIN + body, str(log)]
    return subprocess.run(
        command, cwd=SCRIPTS, capture_output=True, encoding="utf-8", errors="replace", env=os.environ | environment
    )


@pytest.mark.parametrize(
    ("body", "line"),
    [("full(); write_text('a', sys.argv[1] + '.txt')",
      "{log}.txt cannot be written (File too large); free space on that disk and run again"),
     ("raise DamagedFile('a is damaged')", "a is damaged"), ("raise ValueError('two\\n lines')", "two lines"),
     ("Registry('sampler', {'ddim': 'a:b'})['dim']", "unknown sampler 'dim'; did you mean 'ddim'?")],
)  # fmt: skip
def test_an_error_of_input_or_of_the_disk_is_one_line(tmp_path, body, line):
    done = run(body, tmp_path / "log")
    line = f"error in made: {line.format(log=tmp_path / 'log')}"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"\n{line}\n")
    written = "" if "full" in body else f"\n{line}\n"
    assert (tmp_path / "log").read_text(encoding="utf-8") == written and not (tmp_path / "log.txt").exists()


@pytest.mark.parametrize("body", ["{}['key']", "None.name", "raise OSError('a bug')"])
def test_a_fault_of_the_library_keeps_its_traceback(tmp_path, body):
    done = run(body, tmp_path / "log")
    assert done.returncode == 1 and "Traceback" in done.stderr and "error in made" not in done.stderr


@pytest.mark.parametrize("log", ["log", "no/log"])
def test_a_log_that_cannot_be_written_stops_no_job(tmp_path, log):
    done = run("full(); print('a' * 20_000, file=sys.stderr); print('done')", tmp_path / log)
    assert (done.returncode, done.stdout) == (0, "done\n") and done.stderr == "a" * 20_000 + "\n"


def test_a_log_is_of_utf_8_under_any_locale(tmp_path):
    done = run(r"print('Fr\xe9chet \ud800', file=sys.stderr); raise ValueError('\u2265')", tmp_path / "log", **ASCII)
    assert done.returncode == 1 and r"Fr\xe9chet \ud800" in done.stderr and r"error in made: \u2265" in done.stderr
    assert (tmp_path / "log").read_text(encoding="utf-8") == "Fréchet \\ud800\n\nerror in made: ≥\n"
