"""Resume points: files that a killed training goes on from."""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from morse.files import DamagedFile, write_bytes
from morse.registry import remove_and_run

RESUME_POINT = {"step", "seconds", "settings", "module", "average", "optimiser"}
"""Keys of a resume point."""


def save(
    path: Path,
    step: int,
    seconds: float,
    made_by: Mapping[str, Any],
    module: nn.Module,
    average: Mapping[str, Tensor],
    optimiser: torch.optim.Optimizer,
) -> None:
    """Writes a resume point, whole or not at all.

    Args:
        step, seconds: of training so far.
        made_by: all settings that decide the outcome.
        module: its trained parameters and its buffers are written.
        average: the EMA of the trained parameters, by name.
    """
    trained = set(average)
    state = {
        "step": step,
        "seconds": seconds,
        "settings": made_by,
        "module": {
            k: v for k, v in module.state_dict().items() if k in trained or k not in dict(module.named_parameters())
        },
        "average": average,
        "optimiser": optimiser.state_dict(),
    }
    content = io.BytesIO()  # torch.save to a full disk raises an error of its own, which hides the cause
    torch.save(state, content)
    write_bytes(content.getvalue(), path)


def resume(
    path: Path,
    made_by: Mapping[str, Any],
    module: nn.Module,
    average: Mapping[str, Tensor],
    optimiser: torch.optim.Optimizer,
) -> tuple[int, float]:
    """Loads a resume point in place. Returns the steps and the seconds of training before it.

    Raises:
        DamagedFile: one line, if it cannot be read.
        ValueError: one line with the command that starts again, if it was made with other settings,
            by another version of the library, or is of another network.
    """
    again = remove_and_run("to start again", path)
    try:
        # A GPU's tensors too are read on a machine without one.
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise DamagedFile(f"resume point {path} cannot be read; {again}") from error
    if not isinstance(state, dict) or (missing := RESUME_POINT - {*state}):
        lacks = ", ".join(sorted(missing)) if isinstance(state, dict) else "all parts"
        raise ValueError(f"resume point {path} is of another version of the library and lacks {lacks}; {again}")
    if state["settings"] != made_by:
        changed = ", ".join(_changes(state["settings"], made_by))
        raise ValueError(f"resume point {path} was made with another {changed}; {again}")
    if {k: v.shape for k, v in state["average"].items()} != {k: v.shape for k, v in average.items()}:
        raise ValueError(f"resume point {path} belongs to another network; {again}")
    module.load_state_dict(state["module"], strict=False)
    for name, value in state["average"].items():
        average[name].copy_(value)
    optimiser.load_state_dict(state["optimiser"])
    return int(state["step"]), float(state["seconds"])


def _changes(before: Mapping[str, Any], now: Mapping[str, Any], within: str = "") -> Iterator[str]:
    """Each setting that changed, with both values: "recipe: batch_size (4, now 8)"."""
    for name in sorted({*before, *now}):
        old, new = before.get(name), now.get(name)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from _changes(old, new, f"{within}{name}: ")
        elif old != new:
            yield f"{within}{name} ({old}, now {new})"
