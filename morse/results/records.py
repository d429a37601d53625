"""The record of a node: what was run, what it cost, how good it is. The tables are made of records (:mod:`morse.results.runs`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from hashlib import sha256
from operator import add
from typing import Any

from morse.data.parts import first_gap
from morse.quality.extractors import LABELS
from morse.quality.frechet import frechet_with_error
from morse.quality.statistics import Statistics
from morse.sampling.shards import Shard


def make_record(
    node: Mapping[str, Any],
    scale: str,
    images: int,
    ratio: float | None,
    shards: Sequence[Shard],
    statistics: Sequence[Statistics],
    reference: Statistics,
) -> dict[str, Any]:
    """A node's record, of the provenance that its shards have.

    Args:
        node: model, task, sampler, method, budget, seed.
        scale: "mini" or "paper".
        images: how many the node must have.
        ratio: N that the plan was made with; None for a baseline.
        shards, statistics: all of the node's, in any order.

    Raises:
        ValueError: if the shards are not together the node's images, each once, made with the same calls.
    """
    shards = sorted(shards, key=lambda shard: shard.first)
    if (gap := first_gap((shard.first, len(shard.images)) for shard in shards)) is not None:
        raise ValueError(f"image {gap} of the run is missing or stands twice; delete its shards and run again")
    count, merged = sum(len(shard.images) for shard in shards), reduce(add, statistics)
    if count != images or merged.count != images:
        raise ValueError(f"the run has {count} images and statistics of {merged.count}, not {images}; delete its shards and run again")
    made_by = [(shard.plan, *(shard.provenance.get(key) for key in ("device", "execution", "code"))) for shard in shards]
    if any(other != made_by[0] for other in made_by):
        fault = "unlike calls, devices, executions or versions of the library"
        raise ValueError(f"the shards of the run were made with {fault}; delete them and run again")
    estimate = frechet_with_error(merged, reference)
    extractor = merged.extractor.split("/")[0]
    return {
        "node": dict(node),
        "scale": scale,
        "images": images,
        "images_sha256": sha256(b"".join(shard.images.tobytes() for shard in shards)).hexdigest(),
        "plan": shards[0].plan,
        "calls": {"dash": shards[0].plan.count("D"), "dot": shards[0].plan.count(".")},
        "ratio": ratio,
        "seconds": sum(shard.seconds for shard in shards),
        "memory": max((shard.memory for shard in shards if shard.memory), default=None),
        "provenance": dict(shards[0].provenance),
        "quality": {
            "name": "frechet",
            "label": LABELS[extractor],
            "extractor": merged.extractor,
            "reference": reference.data,
            "value": estimate.value,
            "standard_error": estimate.standard_error,
            "without_groups": list(estimate.without_groups),
        },
    }
