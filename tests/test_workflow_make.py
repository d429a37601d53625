"""The Makefile in surroundings that are not its author's. Nothing is installed here."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
INHERITED = ("MAKEFLAGS", "MAKELEVEL", "VENV", "XDG_CACHE_HOME", "MPLCONFIGDIR")
"""Variables of a make that runs these tests."""


@pytest.fixture
def clone(tmp_path):
    """What a folder of this name, a new clone, makes: the function of its name and of make's
    arguments."""

    def make(name, *arguments, run=False, **environment):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        for file in ("Makefile", "pyproject.toml", "requirements.lock"):
            shutil.copy(ROOT / file, folder)
        kept = {key: value for key, value in os.environ.items() if key not in INHERITED}
        home = {"HOME": str(tmp_path)}
        return subprocess.run(
            ["make", *([] if run else ["-n"]), *arguments],
            cwd=folder,
            env=kept | home | environment,
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )

    return make


def venv_of(made):
    assert made.returncode == 0, made.stderr
    return re.search(r"-m venv (.*)$", made.stdout, flags=re.M)[1]


@pytest.mark.parametrize("name", ["plain", "ünï", "-x", "a=b", "long" * 40])
def test_the_environment_is_in_the_clone(clone, tmp_path, name):
    assert venv_of(clone(name, "all")) == str(tmp_path / name / ".venv")


ODD = [
    "a b",
    "it's",
    'q"q',
    "p(1)",
    "d$HOME",
    "d$$x",
    "br[1]",
    "back`tick",
    "a\\b",
    "hash#1",
    "semi;colon",
    "a:b",
    "50%",
]


@pytest.mark.parametrize("name", ODD)
def test_in_a_clone_whose_path_a_shell_would_split_the_environment_is_among_the_caches(clone, tmp_path, name):
    made = clone(name, "all")
    venv = venv_of(made)
    assert re.fullmatch(rf"{re.escape(str(tmp_path))}/\.cache/morse/[0-9-]+", venv)
    assert f"\n{venv}/bin/python -m snakemake --cores 8 all" in made.stdout
    assert venv != venv_of(clone(f"{name} other", "all"))


def test_without_a_place_for_the_environment_make_says_so_first(clone, tmp_path):
    for made in (clone("a b", "all", HOME=str(tmp_path / "x y")), clone("plain", "all", "VENV=a b")):
        assert made.returncode == 2 and made.stdout == ""
        assert made.stderr.count("\n") == 1 and "make VENV=/tmp/morse-venv all" in made.stderr
    assert venv_of(clone("a b", "all", "VENV=/elsewhere", HOME=str(tmp_path / "x y"))) == "/elsewhere"


@pytest.mark.parametrize("home", ["a file", "a folder of the system", "none"])
def test_without_a_home_caches_are_in_the_clone(clone, tmp_path, home):
    (tmp_path / "file").touch()
    homes = {"a file": str(tmp_path / "file"), "a folder of the system": "/proc", "none": ""}
    made = clone("my clone", "-p", "all", "VENV=/elsewhere", HOME=homes[home])
    cache = tmp_path / "my clone" / ".cache"
    assert f"XDG_CACHE_HOME := {cache}\n" in made.stdout and f"MPLCONFIGDIR := {cache}/matplotlib\n" in made.stdout
    assert "XDG_CACHE_HOME :=" not in clone("my clone", "-p", "all", "VENV=/elsewhere").stdout


def test_a_locked_folder_is_told_with_the_way_out(clone, tmp_path):
    """Where Snakemake fails and leaves a lock, and only there."""
    (tmp_path / "locked/.snakemake/locks").mkdir(parents=True)
    (tmp_path / "locked/.snakemake/locks/0.input.lock").touch()
    venv = tmp_path / "venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin/python").write_text('#!/bin/sh\necho ran: "$@"\nexit 1\n', encoding="utf-8")
    (venv / "bin/python").chmod(0o755)
    (venv / "installed").touch()
    os.utime(venv / "installed", (2**32, 2**32))  # newer than the copies
    for target in ("all", "zoo"):
        made = clone("locked", target, f"VENV={venv}", run=True)
        assert made.returncode == 2 and "run 'make unlock', then the same command again" in made.stderr
    assert "ran: -m snakemake --unlock" in clone("locked", "unlock", f"VENV={venv}", run=True).stdout
    (tmp_path / "locked/.snakemake/locks/0.input.lock").unlink()
    assert "make unlock" not in clone("locked", "all", f"VENV={venv}", run=True).stderr


def test_snakemake_under_a_python_that_a_shell_would_split_says_so(tmp_path):
    (tmp_path / "a b").symlink_to(sys.prefix)
    python = tmp_path / "a b" / "bin" / Path(sys.executable).name
    command = [python, "-m", "snakemake", "-n", "-s", ROOT / "Snakefile", "-d", tmp_path / "work"]
    made = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    output = made.stdout + made.stderr
    assert made.returncode != 0 and "Traceback" not in output
    (line,) = [line for line in output.splitlines() if "has letters that a shell reads in its own way: ' '" in line]
    assert str(python) in line and "use an environment elsewhere" in line
