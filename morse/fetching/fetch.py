"""Files that others publish, fetched and checked.

Files come by HTTP (:mod:`morse.fetching.http`), from the Hugging Face hub by its own library, or
from a folder where they lie.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from morse.fetching.http import PAUSE, download
from morse.files import DamagedFile, UnwritableFile, sha256, write_atomically
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
        check(source, found)
        write_atomically(lambda temporary: shutil.copyfile(found, temporary), source.path)
    elif source.by_hand:
        raise DamagedFile(
            f"{source.path} has to be got by hand: open {source.by_hand}, and put {source.path.name} there, "
            "or in a folder that you name with --from-dir"
        )
    elif source.hub:
        _from_hub(source)
    else:
        download(source, pause)
    return sha256(source.path)


def _from_hub(source: Source) -> None:
    """A file of the hub, by its own library, which has a cache (HF_HOME) and can be offline."""
    from huggingface_hub import hf_hub_download

    try:
        cached = Path(hf_hub_download(source.hub, source.inside, revision=source.revision or None))
    except (OSError, ValueError) as error:  # all of the hub's errors are one of the two
        words = " ".join(str(error).split())[:200]
        raise DamagedFile(
            f"{source.hub}: {source.inside} cannot be fetched from the hub ({words}); "
            f"put the file at {source.path} by hand"
        ) from error
    check(source, cached)
    write_atomically(lambda temporary: shutil.copyfile(cached, temporary), source.path)


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
        ask: a question -> whether to go on.

    Returns:
        Faults, a line each.
    """
    wanted = {}
    for source in sources:
        if source.path.exists():
            check(source, source.path)
            say(f"{source.path} is here")
        else:
            wanted.setdefault(source.path, source)
    for source in wanted.values():
        size = f"{source.size / 1e6:,.1f} MB" if source.size else "size unknown"
        say(f"{source.path}: {size}, licence {source.licence}, {source.address}")
    if not wanted or not ask(f"Fetch {len(wanted)} files?"):
        return [f"{path} was not fetched" for path in wanted]
    faults = []
    for source in wanted.values():
        try:
            found = fetch(source, from_dir, pause)
            say(f"{source.path}: " + ("right" if source.digest else f"sha256 {found}, for the card"))
        except (DamagedFile, UnwritableFile) as error:
            faults.append(str(error))
    return faults
