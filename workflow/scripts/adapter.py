"""What every script of the workflow shares: its log, its threads and device, and errors as one line."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from morse.files import DamagedFile

EXPECTED = (DamagedFile, ValueError, KeyError, FloatingPointError)
"""Errors of input; what they say is enough. Others keep their traceback."""


class _Both:
    """A text stream that writes to two: the terminal, for progress bars, and the log."""

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
    """Runs a script's body: stderr goes to the log too, and an error of input ends it with one line and exit code 1.

    Args:
        networks: whether the body imports Dash and Dot, for which no more of diffusers is loaded than they need.
    """
    if networks:
        from morse.runtime.light_import import import_unet  # here, as what it patches with takes other jobs' time to load

        import_unet()
    with open(snakemake.log[0], "w", buffering=1) as log:  # by lines, as os._exit below flushes nothing
        terminal = sys.stderr
        sys.stderr = _Both(terminal, log)
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
