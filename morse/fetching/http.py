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
"""Of which none brings a byte that was not there before."""
PAUSE = 3.0
"""Seconds before the second try; each further pause is twice as long."""
TIMEOUT = (20, 60)
"""Seconds to connect, and between two parts of an answer."""
BLOCK = 1 << 16
"""Bytes that are written at once; what a break loses is less."""


MAY_PASS = (408, 425, 429)
"""Statuses below 500 after which another try may go well."""


class _Again(Exception):
    """A fault that may pass, such as a connection that broke off."""


class _Refused(Exception):
    """An answer that another try would not change, and that says nothing of the part's bytes."""


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
        except DamagedFile:  # other bytes than the published ones
            part.unlink()
            raise
        if fault:
            if not os.path.getsize(part):
                part.unlink()
            raise DamagedFile(fault)


def _tried(source: Source, file: BinaryIO, pause: float) -> str:
    """Tries until all is there. Returns the last fault and its remedy; empty if none is left.

    A try that brings further bytes does not count, so that a long download survives many breaks.
    """
    tries, most, by_hand = 0, file.seek(0, os.SEEK_END), f"put the file at {source.path} by hand"
    while True:
        try:
            _get(source, file)
            return ""
        except _Refused as error:
            return f"{source.url} {error}, or {by_hand}"
        except _Again as error:
            fault = str(error)
        has = file.seek(0, os.SEEK_END)
        tries, most = (0 if has > most else tries + 1), max(most, has)
        if tries == TRIES:
            return (
                f"{source.url} cannot be fetched ({fault}); run the same command again, which continues, or {by_hand}"
            )
        time.sleep(pause * 2 ** max(tries - 1, 0))


@contextmanager
def _own(part: Path, target: Path) -> Iterator[BinaryIO]:
    """The part of a download, open for appending and for this process alone."""
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        with open(part, "ab") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if not (part.exists() and os.path.samestat(os.fstat(file.fileno()), part.stat())):
                    raise BlockingIOError  # the other one ended since, and this is its target now
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
            total = _total(source, answer.headers, start)
            if total is not None:
                _require_size(source, total, exact=True)
            # Some servers call a .gz encoded. Then requests would unpack what has to stay packed.
            answer.raw.headers.pop("Content-Encoding", None)
            _copy(source, answer.iter_content(BLOCK), file, start, total)
    except (ValueError, requests.TooManyRedirects) as error:  # ValueError: no address that can be asked
        raise _Refused(f"cannot be fetched ({_words(error)}); correct the address in the card") from error
    except requests.RequestException as error:
        raise _Again(_words(error)) from error


def _words(error: BaseException) -> str:
    """The first cause of a fault of the network, in a few words."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    text = " ".join(str(error).split())
    return text if len(text) <= 200 else f"{text[:90]} ... {text[-100:]}"  # urllib3 names the cause last


def _total(source: Source, headers: Mapping[str, str], start: int) -> int | None:
    """The whole file's bytes, as the answer states them; else as the card does."""
    stated = headers.get("Content-Range", "").rpartition("/")[2]
    if start and stated.isdecimal():
        return int(stated)
    length = headers.get("Content-Length", "")
    return start + int(length) if length.isdecimal() else source.size


def _start(source: Source, status: int, headers: Mapping[str, str], have: int) -> int:
    """At which byte of the file an answer starts."""
    if status == 206:
        stated = headers.get("Content-Range", "")
        if stated.startswith(f"bytes {have}-"):
            return have
        raise DamagedFile(f"{source.url} answers with the range {stated!r}, not from byte {have}; fetch it by hand")
    if status == 200:  # a server without ranges starts over
        return 0
    if status in MAY_PASS or status >= 500:
        raise _Again(f"HTTP {status}")
    raise _Refused(f"answers HTTP {status}; the file may have moved or need a login: run the same command later")


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
