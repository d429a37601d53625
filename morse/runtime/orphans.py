"""Jobs end with the run that started them.

A run that is killed cannot stop its jobs. Such an orphan would go on beside the next run, disturb
its wall-clock and write the same files. So a run holds the lock of a file as long as it lives, and
each of its jobs waits for that lock. The system opens the lock however the run ends.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO

LOCK = "MORSE_RUN_LOCK"
"""The environment variable that names the file to jobs."""


def hold() -> None:
    """Locks a new file until this process ends, and names it to the processes that it starts."""
    try:
        descriptor, path = tempfile.mkstemp(prefix="morse-run-")
        atexit.register(Path(path).unlink, missing_ok=True)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError:  # no folder for it, or one without locks: runs do without
        os.environ.pop(LOCK, None)
        return
    os.environ[LOCK] = path


def follow(end: Callable[[], None]) -> None:
    """Calls ``end`` in a thread of its own once the run that started this process has ended.

    Does nothing without such a run on this machine.
    """
    try:
        lock = open(os.environ[LOCK], "rb")  # noqa: SIM115  # the thread closes it
    except (KeyError, OSError):
        return
    threading.Thread(target=_wait, args=(lock, end), name="follow", daemon=True).start()


def _wait(lock: IO[bytes], end: Callable[[], None]) -> None:
    with lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        Path(lock.name).unlink(missing_ok=True)
    end()
