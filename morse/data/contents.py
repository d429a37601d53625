"""What a data set file holds, without its images, so that a configuration is checked in no time."""

from __future__ import annotations

from pathlib import Path

from morse.files import open_npz

_END = "_shape"


def shapes_of(path: Path | str) -> dict[str, tuple[int, int, int, int]]:
    """Split -> (n, C, H, W) of a file of :func:`morse.data.archive.write_dataset`.

    Raises:
        DamagedFile: one line, for a missing or unreadable file.
    """
    found = {}
    with open_npz(path, "data set", "restore or remake the file") as file:
        for key in file.files:
            if key.endswith(_END):
                n, *channels, width, height = (int(length) for length in file[key])  # images are stored by columns
                found[key.removesuffix(_END)] = (n, channels[0] if channels else 1, height, width)
    return found
