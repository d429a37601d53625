"""A download by HTTP that a break does not undo.

It goes to FILE.part beside its target. A broken one continues there by a range. The file gets its
name when its size and hash are right. The library is requests, which diffusers, Snakemake and
papermill need anyway. It honours the variables of proxies.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from tqdm import tqdm

from morse.files import WRITE_FAULTS, DamagedFile, UnwritableFile
from morse.published import Source, check

TRIES = 5
PAUSE = 3.0
"""Seconds before the second try; each further pause is twice as long."""
TIMEOUT = (20, 60)
"""Seconds to connect, and between two parts of an answer."""
BLOCK = 1 << 16
"""Bytes that are written at once; what a break loses is less."""


class _Again(Exception):
    """A fault that may pass, such as a connection that broke off."""


def download(source: Source, pause: float = PAUSE) -> None:
    """Fetches a file from its address, whole and right, or not at all.

    Args:
        pause: seconds before a second try.

    Raises:
        DamagedFile, UnwritableFile: as :func:`morse.fetching.fetch.fetch`.
    """
    part = source.path.with_name(f"{source.path.name}.part")
    with _own(part, source.path) as file:
        try:
            fault = _tried(source, file, pause)
            file.flush()
            os.fsync(file.fileno())
            if not fault:
                check(source, part)
                part.replace(source.path)
        except DamagedFile:
            part.unlink()
            raise
        if fault:
            if not file.tell():
                part.unlink()
            raise DamagedFile(
                f"{source.url} cannot be fetched ({fault}); run the same command again, which continues, "
                f"or put the file at {source.path} by hand"
            )


def _tried(source: Source, file: BinaryIO, pause: float) -> str:
    """Tries until all is there. Returns the last fault in words; empty if none is left."""
    for attempt in range(TRIES):
        try:
            _get(source, file)
            return ""
        except _Again as error:
            fault = str(error)
            if attempt + 1 < TRIES:
                time.sleep(pause * 2**attempt)
    return fault


@contextmanager
def _own(part: Path, target: Path) -> Iterator[BinaryIO]:
    """The part of a download, open for appending and for this process alone."""
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        with open(part, "ab") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise DamagedFile(f"{target} is being fetched by another process; wait for it") from error
            yield file
    except OSError as error:
        remedy = WRITE_FAULTS.get(error.errno, "see to that disk and run again")
        raise UnwritableFile(f"{target} cannot be written ({error.strerror}); {remedy}") from error


def _get(source: Source, file: BinaryIO) -> None:
    """One request, which continues after what the part has. Raises _Again for a fault that may
    pass."""
    import requests

    have = file.seek(0, os.SEEK_END)
    if source.size is not None and have == source.size:
        return
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    try:
        with requests.get(source.url, headers=headers, stream=True, timeout=TIMEOUT) as answer:
            if answer.status_code == 416:
                _beyond_the_end(answer.headers, file, have)
                return
            start = _start(source, answer.status_code, answer.headers, have)
            file.truncate(start)
            length = answer.headers.get("Content-Length", "")
            total = start + int(length) if length.isdecimal() else source.size
            if total is not None:
                _require_size(source, total, exact=True)
            _copy(source, answer.iter_content(BLOCK), file, start, total)
    except requests.RequestException as error:
        raise _Again(" ".join(str(error).split())[:200]) from error


def _start(source: Source, status: int, headers: Mapping[str, str], have: int) -> int:
    """At which byte of the file an answer starts."""
    if status == 206:
        stated = headers.get("Content-Range", "")
        if stated.startswith(f"bytes {have}-"):
            return have
        raise DamagedFile(f"{source.url} answers with the range {stated!r}, not from byte {have}; fetch it by hand")
    if status == 200:  # a server without ranges starts over
        return 0
    if status == 429 or status >= 500:
        raise _Again(f"HTTP {status}")
    raise DamagedFile(
        f"{source.url} answers HTTP {status}; the file may have moved: find it, and put it at {source.path} by hand"
    )


def _beyond_the_end(headers: Mapping[str, str], file: BinaryIO, have: int) -> None:
    """An answer to a range that has no bytes: all is there, or the part is of another file."""
    if headers.get("Content-Range", "") != f"bytes */{have}":
        file.truncate(0)
        raise _Again("the server has another file than the one that was begun")


def _copy(source: Source, blocks: Iterator[bytes], file: BinaryIO, start: int, total: int | None) -> None:
    with tqdm(initial=start, total=total, desc=source.path.name, unit="B", unit_scale=True, mininterval=2) as bar:
        written = start
        for block in blocks:
            written += len(block)
            _require_size(source, written)
            file.write(block)
            bar.update(len(block))
    if total is not None and written < total:
        raise _Again(f"it broke off after {written:,} of {total:,} bytes")


def _require_size(source: Source, size: int, exact: bool = False) -> None:
    if source.size is not None and (size > source.size or (exact and size != source.size)):
        raise DamagedFile(f"{source.url} has {size:,} bytes, not {source.size:,}; it may hold another file now")
