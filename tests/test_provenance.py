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
from morse.provenance import PACKAGES, code_hash, code_version, processor, processor_flags, provenance


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
    (root / "a.py").write_text("x = 1\n", encoding="utf-8")
    (root / "inner" / "b.py").write_text("y = 2\n", encoding="utf-8")
    monkeypatch.setattr(module, "ROOT", root)
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "nobody")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "nobody@example.org")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    return root


def git(root, *arguments):
    return subprocess.run(
        ["git", "-C", str(root), *arguments], check=True, capture_output=True, encoding="utf-8"
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
        monkeypatch.setattr(module, "Path", lambda path, read=read: SimpleNamespace(read_text=lambda **_: read()))
        assert processor_flags() == expected


def test_code_hash_changes_with_content_name_and_place_of_a_source_file(library):
    seen = {code_hash()}
    assert code_hash() in seen and len(code_hash()) == 12 and int(code_hash(), 16)
    (library / "notes.txt").write_text("not code", encoding="utf-8")
    assert code_hash() in seen
    (library / "a.py").write_text("x = 2\n", encoding="utf-8")
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


def told():
    """The commit and whether it was changed, told anew."""
    provenance.cache_clear()
    return provenance()["commit"], provenance()["dirty"]


def committed(repository, *files):
    git(repository, "init", "-q")
    git(repository, "add", *files)
    git(repository, "commit", "-qm", "first")
    return git(repository, "rev-parse", "HEAD")


def test_where_git_does_not_answer_nothing_is_told_as_clean(library, monkeypatch, tmp_path):
    assert told() == (None, None), "outside of a repository"
    commit = committed(library.parent, ".")
    assert told() == (commit, False)
    # What git does with the repository of another user.
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    assert told() == (None, None)
    monkeypatch.delenv("GIT_TEST_ASSUME_DIFFERENT_OWNER")
    (library.parent / ".git" / "index").rename(tmp_path / "index")
    (library.parent / ".git" / "index").write_text("damaged", encoding="utf-8")
    assert told() == (None, None)
    monkeypatch.setenv("PATH", "")
    assert told() == (None, None), "without git"


def test_a_git_that_does_not_tell_the_changes_leaves_them_unknown(library, monkeypatch, tmp_path):
    """As with a time-out: the commit is known by then."""
    commit = committed(library.parent, ".")
    (tmp_path / "bin").mkdir()
    real, stand_in = shutil.which("git"), tmp_path / "bin" / "git"
    stand_in.write_text(f'#!/bin/sh\ncase "$*" in *status*) exit 1;; esac\nexec "{real}" "$@"\n', encoding="utf-8")
    stand_in.chmod(0o755)
    monkeypatch.setenv("PATH", str(stand_in.parent), prepend=os.pathsep)
    assert told() == (commit, None)


def test_the_commit_of_a_repository_around_the_library_is_not_its_own(library):
    (library.parent / "thesis.tex").write_text("of something else", encoding="utf-8")
    committed(library.parent, "thesis.tex")
    assert told() == (None, None)


def test_the_variables_of_a_hook_of_another_repository_are_not_followed(library, monkeypatch, tmp_path):
    commit = committed(library.parent, ".")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a.py").touch()
    committed(tmp_path / "other", "a.py")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other" / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "other" / ".git" / "index"))
    assert told() == (commit, False)


def test_commit_and_changes_are_told(library):
    commit = committed(library.parent, ".")
    clean = provenance()
    assert (clean["commit"], clean["dirty"]) == (commit, False)
    (library / "results.txt").write_text("untracked files are products", encoding="utf-8")
    assert told() == (commit, False)
    (library / "new.py").touch()
    assert told() == (commit, True), "a new module of the library is no product"
    (library / "new.py").unlink()
    (library / "a.py").write_text("x = 3\n", encoding="utf-8")
    assert told() == (commit, True) and provenance()["code"] != clean["code"]


def test_a_version_of_the_code_is_called_clean_only_where_it_is_known_to_be():
    named = [{"commit": "c0ffee", "dirty": dirty} for dirty in (False, True, None)]
    assert [code_version(record) for record in named] == ["c0ffee", "c0ffee-dirty", "c0ffee-unknown"]
    assert code_version({"commit": None, "dirty": False}) == code_version({}) == "unknown"
    assert code_version({"commit": "c0ffee"}) == "c0ffee-unknown"


def test_a_package_that_is_not_installed_has_no_version(monkeypatch):
    monkeypatch.setattr(module, "PACKAGES", ("torch", "no-such-package"))
    assert provenance()["versions"] == {"torch": version("torch"), "no-such-package": None}
