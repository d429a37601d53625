"""Several processes that train one network together: who is who, sums over all, starting them.

Each process computes its share of a step, and gradients are summed. Without a group of processes
all functions here do nothing. Processes on a CPU talk by gloo, processes on GPUs by nccl.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, distributed, multiprocessing, nn
from torch.multiprocessing.spawn import ProcessContext, ProcessExitedException, ProcessRaisedException

from morse.files import DamagedFile
from morse.registry import UnknownName, resolve
from morse.runtime.light_import import import_unet

EXPECTED = (DamagedFile, OSError, ValueError, UnknownName, FloatingPointError)
"""Errors of input and of disks: their message is enough. Others keep their traceback."""

GRACE = 5.0
"""Seconds in which processes may end by themselves when one has ended with an error."""

PATIENCE = timedelta(days=1)
"""How long processes wait for one that prepares data. One that has ended is noticed at once."""


def rank() -> int:
    """The number of this process, from 0. Process 0 alone writes files and shows progress."""
    return distributed.get_rank() if _grouped() else 0


def world() -> int:
    """How many processes there are."""
    return distributed.get_world_size() if _grouped() else 1


def _grouped() -> bool:
    return distributed.is_available() and distributed.is_initialized()


def summed(value: Tensor) -> Tensor:
    """The sum over all processes of a tensor that each of them has, in place."""
    if world() > 1:
        distributed.all_reduce(value)
    return value


def sum_gradients(parameters: Sequence[nn.Parameter], loss: Tensor) -> Tensor:
    """Sums all gradients over the processes, in one buffer. Returns the summed loss.

    A process without a gradient of some parameter adds zeros.

    Args:
        parameters: the same ones in the same order everywhere.
        loss: this process's share of it, a scalar.
    """
    if world() == 1:
        return loss
    shares = [torch.zeros_like(p).flatten() if p.grad is None else p.grad.flatten() for p in parameters]
    buffer = summed(torch.cat([*shares, loss.detach().to(shares[0]).reshape(1)]))
    for parameter, total in zip(parameters, buffer[:-1].split([len(s) for s in shares]), strict=True):
        parameter.grad = total.view_as(parameter)
    return buffer[-1]


def _gathered(value: Any) -> list[Any]:
    values = [None] * world()
    distributed.all_gather_object(values, value)
    return values


def agreed(value: Any, what: str) -> Any:
    """The value itself, if it is the same in all processes. All wait for each other.

    Raises:
        ValueError: one line, in all processes, if it is not.
    """
    values = _gathered(value) if world() > 1 else [value]
    if odd := [number for number, other in enumerate(values) if other != values[0]]:
        fault = f"process {odd[0]} has {what} {values[odd[0]]} and process 0 has {values[0]}"
        raise ValueError(f"{fault}; give all processes the same arguments and the same disk")
    return value


@contextmanager
def together() -> Iterator[None]:
    """A block that all processes run, such as reading files.

    An error of input in one of them ends it in all. Without this the others would wait for it.
    """
    error = None
    try:
        yield
    except EXPECTED as raised:
        error = raised
    failed = next((f for f in _gathered(error and str(error)) if f), None) if world() > 1 else None
    if error or failed:
        raise error or ValueError(failed)


@contextmanager
def _joined(number: int, local: int, processes: int, device: str, meet: str) -> Iterator[None]:
    """This process as a member of a group.

    Args:
        number, local: its rank among all, and on this machine.
        meet: where the processes find each other, as init_process_group takes it.
    """
    on_gpu = device.startswith("cuda")
    if on_gpu:
        if local >= (count := torch.cuda.device_count()):
            raise ValueError(f"a process for each GPU: there are {count}, so give {count} processes or fewer")
        torch.cuda.set_device(local)
    distributed.init_process_group(
        "nccl" if on_gpu else "gloo",
        init_method=meet,
        rank=number,
        world_size=processes,
        device_id=torch.device("cuda", local) if on_gpu else None,
        timeout=PATIENCE,
    )
    try:
        yield
    finally:
        distributed.destroy_process_group()


def under_torchrun() -> bool:
    """Whether torchrun started this process, as one of several."""
    return {"RANK", "WORLD_SIZE", "MASTER_ADDR"} <= {*os.environ}


def is_first() -> bool:
    """Whether this process is the one that talks, also before it has joined the others."""
    return not under_torchrun() or os.environ["RANK"] == "0"


def members(processes: int) -> int:
    """How many processes :func:`run` trains with: those of torchrun, or ``processes``."""
    return int(os.environ["WORLD_SIZE"]) if under_torchrun() else processes


def run(processes: int, device: str, target: str, *args: Any) -> Any:
    """Calls a function in several processes that train together.

    Under torchrun this process joins the group that it started, and ``processes`` is not used. Else
    new processes are started here. If one of them ends, the others are ended too.

    Args:
        processes: how many; 1 calls the function in this process.
        device: "cpu" or "cuda". On GPUs each process has the GPU of its number.
        target: "module:function".
        args: its arguments, each of a kind that pickle can hold.

    Returns:
        What the function returned in process 0.

    Raises:
        ValueError, DamagedFile, OSError, FloatingPointError: an error of input of any process.
        ChildProcessError: one line, if a process was killed.
    """
    if under_torchrun():
        number, local, count = (int(os.environ[name]) for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE"))
        _share_cores(int(os.environ.get("LOCAL_WORLD_SIZE", count)))
        with _joined(number, local, count, device, "env://"):
            return resolve(target)(*args)
    if processes == 1:
        return resolve(target)(*args)
    with tempfile.TemporaryDirectory(prefix="morse-group-") as folder:
        given = (processes, torch.get_num_threads(), device, Path(folder), target, args)
        with _without_main():
            started = multiprocessing.start_processes(_process, given, processes, join=False, start_method="spawn")
        try:
            while not started.join(grace_period=GRACE):
                pass
        except (ProcessExitedException, ProcessRaisedException) as error:
            raise _cause(started, Path(folder)) or error from None
        finally:
            for process in started.processes:
                process.terminate()
        return pickle.loads((Path(folder) / "result").read_bytes())


@contextmanager
def _without_main() -> Iterator[None]:
    """Within the block, a new process does not import the program that runs. A script without a
    guard, such as Snakemake's, would run again in it."""
    program = vars(sys.modules["__main__"])
    with patch.dict(program, {"__spec__": None}):
        program.pop("__file__", None)
        yield


def _share_cores(processes: int) -> None:
    torch.set_num_threads(max(1, torch.get_num_threads() // processes))


def _process(
    number: int, processes: int, threads: int, device: str, folder: Path, target: str, args: Sequence[Any]
) -> None:
    """What a started process does. Its result or error goes into a file."""
    torch.set_num_threads(threads)
    _share_cores(processes)
    import_unet()
    try:
        with _joined(number, number, processes, device, (folder / "group").as_uri()):
            result = resolve(target)(*args)
    except EXPECTED as error:
        (folder / f"error-{number}").write_bytes(pickle.dumps(error))
        raise SystemExit(1) from None
    if number == 0:
        (folder / "result").write_bytes(pickle.dumps(result))


def _cause(started: ProcessContext, folder: Path) -> Exception | None:
    """Why the processes ended: an error of input, or a kill; None if neither."""
    for path in sorted(folder.glob("error-*")):
        return pickle.loads(path.read_bytes())
    for number, process in enumerate(started.processes):
        if process.exitcode is not None and process.exitcode < 0 and process.exitcode != -signal.SIGTERM:
            by = signal.Signals(-process.exitcode).name
            fault = f"process {number} of {len(started.processes)} was killed ({by}), so the others were ended"
            return ChildProcessError(f"{fault}; run again, training goes on from its last resume point")
    return None
