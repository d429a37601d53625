"""Which GPU of a machine with several a job takes: one that no other job holds.

Snakemake counts GPUs (``--resources gpu=8``), but does not tell jobs which is theirs. So a job
locks a file of its GPU as long as it lives. The system opens the lock however the job ends.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from pathlib import Path

_held: list[int] = []
"""Descriptors of this process's locks, kept open."""


def claim(count: int) -> int:
    """The index of a GPU among ``count`` visible ones, this process's own until it ends.

    If all are held, several processes share one, and which follows from the process's number.
    """
    visible = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    for index in range(count):
        name = visible[index] if index < len(visible) else str(index)
        try:
            path = Path(tempfile.gettempdir()) / f"morse-gpu-{os.getuid()}-{name}.lock"
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError:  # no folder for it: jobs do without
            break
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            continue
        _held.append(descriptor)
        return index
    return os.getpid() % count
