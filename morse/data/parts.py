"""Parts of a run or data set: which images each has, and whether all are there."""

from __future__ import annotations

from collections.abc import Iterable


def bounds(images: int, shards: int, shard: int) -> tuple[int, int]:
    """(first, count) of the images of one of ``shards`` shards, which differ by one image at most."""
    first = images * shard // shards
    return first, images * (shard + 1) // shards - first


def first_gap(parts: Iterable[tuple[int, int]]) -> int | None:
    """The first image of a run that is missing from its parts or stands twice, each part (first, count); None if there is none."""
    place = 0
    for first, count in sorted(parts):
        if first != place:
            return place
        place += count
    return None
