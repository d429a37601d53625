"""Provenance of a result: commit, code, package versions, device."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("torch", "diffusers", "numpy", "scipy", "pandas")
ROOT = Path(__file__).parent


def code_hash() -> str:
    """Hash of the library's own source files: twelve hexadecimal digits."""
    digest = hashlib.sha256()
    for path in sorted(ROOT.rglob("*.py")):
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


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


def processor_flags() -> frozenset[str]:
    """The instruction sets that Linux names for the first processor, such as "avx512_bf16".

    Empty on other systems.
    """
    return frozenset(_first_processor("flags").split())


def _first_processor(field: str) -> str:
    """What Linux says of its first processor in this field; empty on other systems."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
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

    Its keys are ``commit`` (None outside of git), ``dirty``, ``code``, ``versions``, ``python`` and
    ``device``.

    Args:
        device: name of the accelerator that computed; None: the processor's name.
    """
    return {
        "commit": _git("rev-parse", "HEAD"),
        "dirty": bool(_git("status", "--porcelain", "--untracked-files=no")),
        "code": code_hash(),
        "versions": {package: _version(package) for package in PACKAGES},
        "python": platform.python_version(),
        "device": device or processor(),
    }
