"""The JSON records that tables and figures are made of: each is made and read here.

=====================  ======================  ================================================
file in results/       made of                 function
=====================  ======================  ================================================
records/RUN.json       shards and features     :func:`run_record`
metrics/RUN/E.json     features, extractor E   :func:`metrics_record`
latency/MODEL.json     measured calls          :func:`latency_record`, :func:`read_latency`
dot/MODEL.json         a training              :func:`training_record`, :func:`read_training`
=====================  ======================  ================================================

More records are made and read elsewhere. Those of Dot's error are in
:mod:`morse.results.dot_records`. Executions (:mod:`morse.runtime.execution`) and
plans (:mod:`morse.sampling.plan_search`) come earlier in the order of imports. Timings
(:mod:`morse.results.timing`) are beside their table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from morse.experiments.axes import AXES, path_pattern
from morse.files import DamagedFile, read_json, require_keys
from morse.quality.features import Features
from morse.quality.metrics import FRECHET, Described, frechet_of
from morse.quality.statistics import Statistics
from morse.results.record_keys import OF_LATENCY, OF_METRICS, OF_RUN, OF_TRAINING
from morse.sampling.shards import Shard, joint_provenance


def run_record(
    run: Mapping[str, Any],
    scale: str,
    images: int,
    groups: int,
    shards: Sequence[Shard],
    features: Features,
    reference: Statistics,
    extractor: tuple[str, str],
) -> dict[str, Any]:
    """The record of a run: what was run, what it cost, how good it is.

    Its provenance is that of its shards.

    Args:
        run: axis -> value.
        scale: "mini" or "paper".
        images: how many the run must have.
        groups: of the jackknife for the quality's error.
        shards: all of the run's, of :func:`morse.sampling.shards.read_shards`.
        features: of all the run's images, by the task's first extractor.
        reference: the statistics of the data set by that extractor.
        extractor: name and caption of that extractor.

    Raises:
        ValueError: for another number of images or features.
    """
    count, with_features = sum(len(shard.images) for shard in shards), len(features.values)
    if count != images or with_features != images:
        raise ValueError(
            f"the run has {count} images and features of {with_features}, not {images}; delete its shards and run again"
        )
    estimate = frechet_of(features, reference, groups)
    return {
        "run": {axis: run[axis] for axis in AXES},
        "scale": scale,
        "images": images,
        "images_sha256": sha256(b"".join(shard.images.tobytes() for shard in shards)).hexdigest(),
        "plan": shards[0].letters,
        "costs": dict(shards[0].costs),
        "seconds": sum(shard.seconds for shard in shards),
        "decoding_seconds": sum(shard.decoding for shard in shards),
        "memory": max((shard.memory for shard in shards if shard.memory), default=None),
        "provenance": joint_provenance(shards),
        "quality": {
            "name": FRECHET,
            "label": extractor[1],
            "extractor_name": extractor[0],
            "extractor": features.extractor,
            "reference": reference.data,
            "value": estimate.value,
            "standard_error": estimate.standard_error,
            "without_groups": list(estimate.without_groups),
        },
    }


def metrics_record(
    extractor: str, caption: str, generated: Features, reference: Statistics, metrics: Described
) -> dict[str, Any]:
    """The record of a run's metrics by one extractor.

    Args:
        extractor, caption: name and caption of the extractor's card.
        metrics: the result of :func:`morse.quality.metrics.measure`.
    """
    identity = {"extractor": generated.extractor, "reference": reference.data}
    return {"extractor_name": extractor, "label": caption, **identity, "metrics": metrics}


def read_records(runs: Iterable[Path | str], metrics: Iterable[Path | str]) -> list[dict[str, Any]]:
    """The records of runs, each with its metrics under ``metrics``.

    There, an extractor's name -> record of :func:`metrics_record`.

    Args:
        runs: files of :func:`run_record`.
        metrics: files of :func:`metrics_record`. The folder of each is its run's path, as in
            records/.

    Raises:
        DamagedFile: one line, for an unreadable file, one of another version of the library, a
            second record of a run, or metrics of a run without a record.
    """
    records: dict[str, dict[str, Any]] = {}
    for path in runs:
        record = _of_this_version(path)
        if (run := path_pattern().format(**record["run"])) in records:
            raise DamagedFile(f"{path} is a second record of the run {run}; delete it and run again")
        records[run] = record | {"metrics": {}}
    for path in metrics:
        measured = read_json(path, OF_METRICS)
        if _path_of(path) not in records:
            raise DamagedFile(f"{path} has metrics of a run without a record; delete it and run again")
        records[_path_of(path)]["metrics"][measured["extractor_name"]] = measured
    return list(records.values())


def _of_this_version(path: Path | str) -> dict[str, Any]:
    record = read_json(path)
    if isinstance(record, dict) and "run" not in record:
        raise DamagedFile(
            f"{path} is the record of another version of the library; delete the folder of results and run again"
        )
    return require_keys(record, OF_RUN, path)


def _path_of(metrics: Path | str) -> str:
    return "/".join(Path(metrics).parts[-len(AXES) - 1 : -1])


def latency_record(
    model: str,
    scale: str,
    measurements: Sequence[Mapping[str, Any]],
    flops: Mapping[str, int],
    parameters: Mapping[str, int],
    memory_format: str,
    provenance: Mapping[str, Any],
) -> dict[str, Any]:
    """A model's latency record: how fast its calls are here, and how large its networks.

    Args:
        measurements: records of :class:`morse.runtime.latency.CallLatencies`; the run's own batch
            size and executions come first.
        flops: network -> FLOPs of a call for one image.
        parameters: network -> number of parameters; "dot_own": of those that Dot does not share
            with Dash.
    """
    return {
        "model": model,
        "scale": scale,
        "costs": measurements[0]["costs"],
        "measurements": [dict(measurement) for measurement in measurements],
        "flops": dict(flops),
        "parameters": dict(parameters),
        "memory_format": memory_format,
        "provenance": dict(provenance),
    }


def read_latency(path: Path | str) -> dict[str, Any]:
    """Reads what :func:`latency_record` made. Raises DamagedFile, one line, for any other file."""
    return read_json(path, OF_LATENCY)


def training_record(training: Mapping[str, Any], provenance: Mapping[str, Any]) -> dict[str, Any]:
    """The record of a training: what it took and gave, and where it ran.

    Args:
        training: of :func:`morse.training.to_file.train_to_file`.
    """
    return dict(training) | {"provenance": dict(provenance)}


def read_training(path: Path | str) -> dict[str, Any]:
    """``seconds`` and ``hardware`` of a training, as in the cards of shipped weights.

    Raises DamagedFile, one line, for the file of anything else.
    """
    record = read_json(path, OF_TRAINING)
    return {"seconds": record["seconds"], "hardware": record["provenance"]["device"]}
