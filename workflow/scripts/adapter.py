"""What every script of the workflow shares: its log, its threads and device, and errors as one line."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from morse.files import DamagedFile, write_atomically
from morse.provenance import processor, usable_cores

PLANNING_SEED = 1_000_000
"""Of the noise that plans are tried on; apart from the seeds of runs."""

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


def device_of(choice: str, threads: int) -> str:
    """The choice "auto", "cpu" or "cuda" -> torch's device; also bounds torch's threads by the machine's cores."""
    import torch

    torch.set_num_threads(min(threads, usable_cores()))
    if choice == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if choice == "cuda" and not torch.cuda.is_available():
        raise ValueError("device: cuda, but torch finds no GPU here; set device: auto or cpu")
    return choice


def executions_of(choice: str, measured: Iterable[str], networks: Iterable[str]) -> dict[str, str]:
    """Each network's execution: the configuration's, or with "best" what the file of its measurement names."""
    if choice != "best":
        return dict.fromkeys(networks, choice)
    return {network: read_json(path)["execution"] for network, path in zip(networks, measured, strict=True)}


def device_name(device: str) -> str:
    """The accelerator's name, for the record, or the processor's with the cores that torch uses of it."""
    import torch

    return torch.cuda.get_device_name(device) if device.startswith("cuda") else processor(torch.get_num_threads())


def write_text(text: str, path: str) -> None:
    """Writes text, whole or not at all."""
    write_atomically(lambda temporary: temporary.write_text(text), Path(path))


def write_json(content: Any, path: str) -> None:
    """Writes JSON, whole or not at all."""
    write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", path)


def read_json(path: str) -> Any:
    """Reads JSON; a damaged file is one line."""
    try:
        return json.loads(Path(path).read_text())
    except (OSError, json.JSONDecodeError) as error:
        raise DamagedFile(f"{path} is damaged ({error}); delete it and run again") from error
