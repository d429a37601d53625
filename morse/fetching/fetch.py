"""Files that others publish, fetched and checked.

Files come by HTTP (:mod:`morse.fetching.http`), from the Hugging Face hub by its own library, or
from a folder where they lie.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from morse.fetching.http import PAUSE, download
from morse.files import WRITE_FAULTS, DamagedFile, UnwritableFile, sha256, write_atomically
from morse.published import Source, check


def fetch(source: Source, from_dir: Path | None = None, pause: float = PAUSE) -> str:
    """Gets a file: whole and of the right size and hash, or not at all.

    Args:
        from_dir: a folder where a file of that name lies; nothing is fetched then.
        pause: seconds before a second try.

    Returns:
        The file's SHA-256.

    Raises:
        DamagedFile: one line with the remedy, for an address that does not answer with that file,
            and for a file that a person has to get.
        UnwritableFile: for a full disk, or a folder that cannot be written.
    """
    if from_dir is not None:
        found = from_dir / source.path.name
        if not found.is_file():
            raise DamagedFile(f"{found} is missing; put the file of {source.address} there")
        _placed(source, found)
    elif source.by_hand:
        raise DamagedFile(
            f"{source.path} has to be got by hand: open {source.by_hand}, and put {source.path.name} there, "
            "or in a folder that you name with --from-dir"
        )
    elif source.hub:
        _from_hub(source)
    else:
        download(source, pause)
    known = source.digest.removeprefix("sha256:")
    return sha256(source.path) if known == source.digest else known


def _from_hub(source: Source) -> None:
    """A file of the hub, by its own library, which has a cache (HF_HOME) and can be offline."""
    from huggingface_hub import hf_hub_download

    try:
        cached = Path(hf_hub_download(source.hub, source.inside, revision=source.revision or None))
    except Exception as error:  # its own, of Xet and of its library for HTTP: they have no common ancestor
        if isinstance(error, OSError) and error.errno in WRITE_FAULTS:
            place = error.filename or "the hub's cache (HF_HOME)"
            raise UnwritableFile(
                f"{place} cannot be written ({error.strerror}); {WRITE_FAULTS[error.errno]}"
            ) from error
        words = " ".join(str(error).split())[:200]
        raise DamagedFile(
            f"{source.hub}: {source.inside} cannot be fetched from the hub ({words}); "
            f"put the file at {source.path} by hand"
        ) from error
    _placed(source, cached)


def _placed(source: Source, found: Path) -> None:
    """Checks a file, and puts it in its place: as a second name of it, or as a copy where the
    folder is on another disk."""
    check(source, found)

    def place(temporary: Path) -> None:
        try:
            os.link(found.resolve(), temporary)  # the hub's cache holds links to files
        except OSError:
            shutil.copyfile(found, temporary)

    write_atomically(place, source.path)


def fetch_all(
    sources: Iterable[Source],
    say: Callable[[str], None],
    ask: Callable[[str], bool],
    from_dir: Path | None = None,
    pause: float = PAUSE,
) -> list[str]:
    """Gets the files that are not there yet, each once, after it has said what they are.

    A fault of one file does not keep the others from being fetched.

    Args:
        say: is told what will be fetched, and what was.
        ask: a question -> whether to go on. It is asked only where the network is needed.

    Returns:
        Faults, a line each.
    """
    wanted, faults = {}, []
    for source in {source.path: source for source in sources}.values():
        if not source.path.exists():
            wanted[source.path] = source
            continue
        try:
            check(source, source.path)
            say(f"{source.path} is here")
        except DamagedFile as error:
            faults.append(f"{error}; to fetch it, move {source.path} away")
    for source in wanted.values():
        size = f"{source.size / 1e6:,.1f} MB" if source.size else "size unknown"
        say(f"{source.path}: {size}, licence {source.licence}, {source.address}")
    asked = [] if from_dir else [source for source in wanted.values() if not source.by_hand]
    if asked and not ask(f"Fetch {len(asked)} files?"):
        return faults + [f"{path} was not fetched" for path in wanted]
    for source in wanted.values():
        try:
            found = fetch(source, from_dir, pause)
            say(f"{source.path}: " + ("right" if source.digest else f"sha256 {found}, for the card"))
        except (DamagedFile, UnwritableFile) as error:
            faults.append(str(error))
    return faults
