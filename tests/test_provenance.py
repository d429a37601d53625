"""What a record says about the code and the machine."""

import json
import os
import platform
import shutil
import subprocess
from importlib.metadata import version
from types import SimpleNamespace

import pytest

from morse import provenance as module
from morse.provenance import PACKAGES, code_hash, processor, processor_flags, provenance


@pytest.fixture(autouse=True)
def fresh():
    provenance.cache_clear()
    yield
    provenance.cache_clear()


@pytest.fixture
def library(tmp_path, monkeypatch):
    """A small library in the place of this one."""
    root = tmp_path / "repository" / "morse"
    (root / "inner").mkdir(parents=True)
    (root / "a.py").write_text("x = 1\n")
    (root / "inner" / "b.py").write_text("y = 2\n")
    monkeypatch.setattr(module, "ROOT", root)
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "nobody")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "nobody@example.org")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    return root


def git(root, *arguments):
    return subprocess.run(
        ["git", "-C", str(root), *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()


def test_provenance_is_json_with_all_that_a_number_comes_from():
    record = provenance()
    assert json.loads(json.dumps(record)) == record
    assert set(record) == {"commit", "dirty", "code", "versions", "python", "device"}
    assert record["versions"] == {package: version(package) for package in PACKAGES}
    assert (record["python"], record["device"], record["code"]) == (platform.python_version(), processor(), code_hash())


def test_an_accelerator_is_named_in_place_of_the_processor():
    assert provenance("NVIDIA RTX 3090")["device"] == "NVIDIA RTX 3090"
    assert provenance()["device"] == processor()


def test_processor_has_a_name_and_its_cores():
    name, _, cores = processor().rpartition(", ")
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert name.strip() and cores == f"{usable} cores"
    assert processor(3) == f"{name}, 3 cores"


CPUINFO = """processor\t: 0
model name\t: Some CPU
flags\t\t: fpu sse2 avx512_bf16

processor\t: 1
flags\t\t: fpu other
"""


def test_processor_flags_are_those_that_linux_names(monkeypatch):
    def absent():
        raise FileNotFoundError("/proc/cpuinfo")

    for read, expected in (
        (lambda: CPUINFO, {"fpu", "sse2", "avx512_bf16"}),
        (lambda: "processor\t: 0\nFeatures\t: fp asimd\n", set()),
        (absent, set()),
    ):
        monkeypatch.setattr(module, "Path", lambda path, read=read: SimpleNamespace(read_text=read))
        assert processor_flags() == expected


def test_code_hash_changes_with_content_name_and_place_of_a_source_file(library):
    seen = {code_hash()}
    assert code_hash() in seen and len(code_hash()) == 12 and int(code_hash(), 16)
    (library / "notes.txt").write_text("not code")
    assert code_hash() in seen
    (library / "a.py").write_text("x = 2\n")
    seen.add(code_hash())
    (library / "a.py").rename(library / "c.py")
    seen.add(code_hash())
    (library / "inner").rename(library / "outer")
    seen.add(code_hash())
    (library / "empty.py").touch()
    seen.add(code_hash())
    assert len(seen) == 5


def test_code_hash_is_the_same_in_another_folder(library, tmp_path, monkeypatch):
    before = code_hash()
    monkeypatch.setattr(module, "ROOT", shutil.copytree(library, tmp_path / "elsewhere"))
    assert code_hash() == before


def test_outside_of_git_there_is_no_commit(library):
    assert (provenance()["commit"], provenance()["dirty"]) == (None, False)


def test_without_git_there_is_no_commit(library, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert (provenance()["commit"], provenance()["dirty"]) == (None, False)


def test_commit_and_changes_are_told(library):
    git(library.parent, "init", "-q")
    git(library.parent, "add", ".")
    git(library.parent, "commit", "-qm", "first")
    clean = provenance()
    assert (clean["commit"], clean["dirty"]) == (git(library, "rev-parse", "HEAD"), False)
    (library / "results.txt").write_text("untracked files are products")
    provenance.cache_clear()
    assert provenance() == clean
    (library / "a.py").write_text("x = 3\n")
    provenance.cache_clear()
    changed = provenance()
    assert (changed["commit"], changed["dirty"]) == (clean["commit"], True) and changed["code"] != clean["code"]


def test_a_package_that_is_not_installed_has_no_version(monkeypatch):
    monkeypatch.setattr(module, "PACKAGES", ("torch", "no-such-package"))
    assert provenance()["versions"] == {"torch": version("torch"), "no-such-package": None}
