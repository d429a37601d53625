"""What every script of the workflow shares: its log, its device, and errors as one line."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, TextIO

from morse.files import DamagedFile
from morse.runtime.orphans import follow

EXPECTED = (DamagedFile, ValueError, KeyError, FloatingPointError)
"""Errors of input: their message is enough. Others keep their traceback."""


class _Both:
    """A text stream that writes to two: to the terminal, for progress bars, and to the log."""

    def __init__(self, *streams: TextIO):
        self.streams = streams

    def write(self, text: str) -> int:
        for stream in self.streams:
            stream.write(text)
        return len(text)

    def flush(self) -> None:
        for stream in self.streams:
            stream.flush()


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
    with open(snakemake.log[0], "w", buffering=1) as log:  # by lines, as os._exit below flushes nothing
        terminal = sys.stderr
        sys.stderr = _Both(terminal, log)
        follow(partial(_end_orphan, snakemake.rule))
        try:
            yield
        except EXPECTED as error:
            line = f"error in {snakemake.rule}: {error}"
            print(line, file=log)
            terminal.write(f"\n{line}\n")
            terminal.flush()
            os._exit(1)  # after sys.exit Snakemake would print a traceback of its own
        finally:
            sys.stderr = terminal


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
