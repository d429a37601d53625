"""Parts of a run or data set: which images each part has, and whether all are there."""

from __future__ import annotations

from collections.abc import Iterable


def bounds(images: int, shards: int, shard: int) -> tuple[int, int]:
    """(first, count) of the images of one of ``shards`` shards. Sizes differ by at most one
    image."""
    first = images * shard // shards
    return first, images * (shard + 1) // shards - first


def first_gap(parts: Iterable[tuple[int, int]]) -> int | None:
    """Where the parts of a run first fail to join: an image is missing or appears twice.

    Args:
        parts: (first, count) each, in any order.

    Returns:
        The end of the parts before the gap or overlap; None if all parts join.
    """
    place = 0
    for first, count in sorted(parts):
        if first != place:
            return place
        place += count
    return None
