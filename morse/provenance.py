"""Provenance of a result: commit, code, package versions, device."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import subprocess
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("torch", "diffusers", "numpy", "scipy", "pandas")
ROOT = Path(__file__).parent
CORES = re.compile(r", (\d+(?: and \d+)*) cores$")
"""The end of a processor's name: the number of cores, or all numbers of a run's shards."""
OF_A_HOOK = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY")


def code_hash() -> str:
    """Hash of the library's own source files: twelve hexadecimal digits."""
    digest = hashlib.sha256()
    for path in sorted(ROOT.rglob("*.py")):
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def _git(*arguments: str) -> str | None:
    """What git prints; None where it refuses to answer, is slow, or is not installed."""
    # A hook of git sets variables that name another repository or index.
    environment = {name: value for name, value in os.environ.items() if name not in OF_A_HOOK}
    command = ["git", "--no-optional-locks", "-C", str(ROOT), *arguments]
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, encoding="utf-8", errors="replace", timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _state() -> tuple[str | None, bool | None]:
    """The commit, and whether tracked files or the library differ from it.

    None for what git does not tell.
    """
    # An installed library may lie inside a repository of something else, whose commit says nothing.
    if not _git("ls-files", "--error-unmatch", "--", "*.py"):
        return None, None
    # Untracked files are products of a run, but for new modules of the library.
    answers = (
        _git("status", "--porcelain", "--untracked-files=no"),
        _git("ls-files", "--others", "--exclude-standard", "--", "*.py"),
    )
    return _git("rev-parse", "--verify", "HEAD"), None if None in answers else any(answers)


def code_version(record: Mapping[str, Any]) -> str:
    """The commit of a provenance as tables show it.

    It has the suffix "-dirty" for a changed tree, and "-unknown" where nobody knows of changes.
    Without a commit it is "unknown".
    """
    if not record.get("commit"):
        return "unknown"
    suffix = {False: "", True: "-dirty", None: "-unknown"}[record.get("dirty")]
    return f"{record['commit']}{suffix}"


def usable_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processor(cores: int | None = None) -> str:
    """The processor's name and how many of its cores are used.

    Args:
        cores: that number; None: all that this process may use.
    """
    name = _first_processor("model name") or platform.processor() or platform.machine()
    return f"{name}, {cores or usable_cores()} cores"


def without_cores(device: str) -> str:
    """The device's name without the number of a processor's cores, which decides no result but
    times.

    >>> without_cores("EPYC 9654, 8 cores")
    'EPYC 9654'
    """
    return CORES.sub("", device)


def processor_flags() -> frozenset[str]:
    """The instruction sets that Linux names for the first processor, such as "avx512_bf16".

    Empty on other systems.
    """
    return frozenset(_first_processor("flags").split())


def _first_processor(field: str) -> str:
    """What Linux says of its first processor in this field; empty on other systems."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(field)), "")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


@cache
def provenance(device: str | None = None) -> dict[str, Any]:
    """A record of this process.

    Its keys are ``commit``, ``dirty``, ``code``, ``versions``, ``python`` and ``device``. The first
    two are None where git does not tell them: unknown is not clean.

    Args:
        device: name of the accelerator that computed; None: the processor's name.
    """
    commit, dirty = _state()
    return {
        "commit": commit,
        "dirty": dirty,
        "code": code_hash(),
        "versions": {package: _version(package) for package in PACKAGES},
        "python": platform.python_version(),
        "device": device or processor(),
    }
