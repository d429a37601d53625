"""What every script of the workflow shares: its log, its device, and errors as one line."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, TextIO

from morse.files import DamagedFile, UnwritableFile
from morse.registry import UnknownName
from morse.runtime.orphans import follow

EXPECTED = (DamagedFile, UnwritableFile, ValueError, UnknownName, FloatingPointError, ChildProcessError)
"""Errors of input and of disks, and killed processes: their message is enough. Others keep their
traceback."""


class _Both:
    """A text stream that writes to two: to the terminal, for progress bars, and to the log.

    A log that cannot be written, such as on a full disk, does not stop the job.
    """

    def __init__(self, terminal: TextIO, log: TextIO):
        self.terminal, self.log = terminal, log

    def write(self, text: str) -> int:
        self.terminal.write(text)
        with suppress(OSError):
            self.log.write(text)
        return len(text)

    def flush(self) -> None:
        self.terminal.flush()
        with suppress(OSError):
            self.log.flush()


@contextmanager
def job(snakemake: Any, networks: bool = False) -> Iterator[None]:
    """Runs a script's body.

    stderr goes to the log too. An error of input ends the body with one line and exit code 1. So
    does a kill of the run that started the job.

    Args:
        networks: whether the body imports Dash and Dot. Then only the part of diffusers that they
            need is loaded.
    """
    if networks:
        # Imported here, so that other jobs do not spend the time to load it.
        from morse.runtime.light_import import import_unet

        import_unet()
    terminal, log = sys.stderr, _opened(snakemake.log[0])
    sys.stderr = _Both(terminal, log)
    follow(partial(_end_orphan, snakemake.rule))
    try:
        yield
    except EXPECTED as error:
        print(f"\nerror in {snakemake.rule}: {' '.join(str(error).split())}", file=sys.stderr, flush=True)
        os._exit(1)  # after sys.exit Snakemake would print a traceback of its own
    finally:
        sys.stderr = terminal
        with suppress(OSError):
            log.close()


def _opened(log: str) -> TextIO:
    """The log, written by lines, as os._exit flushes nothing; nowhere if it cannot be written."""
    try:
        return open(log, "w", buffering=1, encoding="utf-8", errors="backslashreplace")
    except OSError:
        return open(os.devnull, "w", encoding="utf-8")


def _end_orphan(rule: str) -> None:
    with suppress(OSError):  # a terminal that was closed
        print(f"\nerror in {rule}: the run was killed, so its job ends too", file=sys.stderr, flush=True)
    os._exit(1)  # sys.exit would end this thread alone


def device_of(snakemake: Any) -> str:
    """The job's device, as the configuration says; torch uses no more threads than the job has."""
    from morse.runtime.device import device_of

    return device_of(snakemake.params.device, snakemake.threads)


def written_by(device: str) -> dict[str, Any]:
    """The provenance of what a job computed on a device."""
    from morse.provenance import provenance
    from morse.runtime.device import device_name

    return provenance(device_name(device))
