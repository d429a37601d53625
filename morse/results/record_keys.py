"""What each kind of record must hold for the tables: key -> type, for morse.files.read_json."""

from __future__ import annotations

from morse.experiments.axes import AXES, CELL
from morse.files import NUMBER

OF_RUN = {f"run.{axis}": int if axis in ("budget", "seed") else str for axis in AXES} | {
    **dict.fromkeys(("scale", "plan", "provenance.device", "provenance.code"), str),
    "images": int,
    **dict.fromkeys(("costs", "provenance.execution"), dict),
    **dict.fromkeys(("seconds", "decoding_seconds", "quality.value", "quality.standard_error"), NUMBER),
    **dict.fromkeys(("quality.label", "quality.extractor_name", "quality.extractor", "quality.reference"), str),
    "quality.without_groups": list,
}
OF_METRICS = dict.fromkeys(("extractor_name", "label", "extractor", "reference"), str) | {"metrics": dict}
OF_LATENCY = dict.fromkeys(("model", "scale", "memory_format", "provenance.device"), str) | {
    **dict.fromkeys(("costs", "flops", "parameters"), dict),
    "measurements": list,
}
OF_EXPLAINED = {"model": str, "overall": NUMBER, "s_edges": list, "gap_edges": list, "explained": list}
OF_TIMING = {axis: int if axis == "budget" else str for axis in CELL} | {
    "images": int,
    **dict.fromkeys(("execution", "methods"), dict),
    **dict.fromkeys(("provenance.device", "provenance.code"), str),
}
OF_TIMED = {"plan": str, "seconds": list, "decoding": list} | dict.fromkeys(
    ("ratio", "ratio_low", "ratio_high"), (*NUMBER, type(None))
)
"""What a timing record holds of each method."""
OF_SENSITIVITY = {axis: int if axis == "budget" else str for axis in AXES[:-1]} | {"plan": str, "calls": list}
OF_TRAINING = {"seconds": NUMBER, "provenance.device": str}
