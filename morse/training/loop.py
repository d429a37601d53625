"""The one training loop: for Dash twins, Dot, and the small feature extractor.

The loop owns optimisation (AdamW, warm-up and cosine learning rate, clipping), the exponential
moving average of the weights (EMA) and resuming. What is learnt is given by a *loss function* of a
random generator. The generator of step k is seeded by (seed, k). So a resumed training draws what
an uninterrupted one would have drawn, and ends with the same weights.
"""

from __future__ import annotations

import io
import math
import pickle
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from morse.files import DamagedFile, write_bytes
from morse.registry import remove_and_run
from morse.runtime.device import fast_precision
from morse.seeds import generator

RESUME_POINT = {"step", "seconds", "settings", "module", "average", "optimiser"}
"""Keys of a file that a killed training goes on from."""

LossFunction = Callable[[int, torch.Generator], Tensor]
"""(step, generator of that step) -> scalar loss."""


@dataclass(frozen=True)
class TrainSettings:
    """How a network is trained.

    Attributes:
        steps: optimiser steps.
        learning_rate: peak of the learning rate. It rises linearly over ``warmup`` steps, then
            falls to zero as half a cosine.
        ema_decay: decay of the EMA. Step k uses (1 + k) / (10 + k) if that is smaller.
        precision: "float32", "bfloat16" for autocast, or "auto": bfloat16 if the device is fast in
            it (:func:`morse.runtime.device.fast_precision`).
        checkpoint_every: steps between two resume points.
    """

    steps: int
    learning_rate: float = 2e-4
    warmup: int = 100
    weight_decay: float = 0.0
    grad_clip: float = 1.0
    ema_decay: float = 0.999
    seed: int = 0
    precision: str = "auto"
    checkpoint_every: int = 500

    def rate(self, step: int) -> float:
        """The learning rate of a step, counted from 0."""
        if step < self.warmup:
            return self.learning_rate * (step + 1) / self.warmup
        progress = (step - self.warmup) / max(1, self.steps - self.warmup)
        return self.learning_rate * 0.5 * (1.0 + math.cos(math.pi * progress))


def train(
    module: nn.Module,
    loss_function: LossFunction,
    settings: TrainSettings,
    resume_from: Path | None = None,
    progress: str = "train",
    made_of: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Trains the parameters of ``module`` that require a gradient, and leaves their EMA in it.

    Args:
        module: what is trained. Its buffers are saved with the resume point too, but not averaged.
        resume_from: path of the resume point. It is written every ``checkpoint_every`` steps, read
            if it exists, and removed at the end.
        progress: caption of the progress bar.
        made_of: what else decides the outcome (hashes, settings of the loss). Training resumes only
            if it is the same.

    Returns:
        ``steps``; ``seconds``, with those before a resume point; ``loss``, the mean over the last
        tenth of the steps since the last resume; and the ``precision`` used.

    Raises:
        ValueError: if the resume point was made with other settings, or is of another network.
        DamagedFile: if the resume point cannot be read.
        FloatingPointError: if the loss is no longer finite.
    """
    parameters = {name: p for name, p in module.named_parameters() if p.requires_grad}
    device = next(iter(parameters.values())).device
    if settings.precision == "auto":
        settings = replace(settings, precision=fast_precision(device))
    optimiser = torch.optim.AdamW(parameters.values(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    average = {name: p.detach().clone() for name, p in parameters.items()}
    first, before, made_by = 0, 0.0, asdict(settings) | dict(made_of or {})
    if resume_from is not None and resume_from.exists():
        first, before = _resume(resume_from, made_by, module, parameters, average, optimiser)

    losses: list[float] = []
    started = time.monotonic() - before
    module.train()
    bar = tqdm(range(first, settings.steps), initial=first, total=settings.steps, desc=progress, mininterval=5)
    for step in bar:
        for group in optimiser.param_groups:
            group["lr"] = settings.rate(step)
        with torch.autocast(device.type, torch.bfloat16, enabled=settings.precision == "bfloat16"):
            loss = loss_function(step, generator(settings.seed, step))
        if not torch.isfinite(loss):
            raise FloatingPointError(f"{progress}: the loss is {loss.item()} at step {step}; lower learning_rate")
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters.values(), settings.grad_clip)
        optimiser.step()
        decay = min(settings.ema_decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(list(average.values()), [p.detach() for p in parameters.values()], 1.0 - decay)
        losses.append(loss.item())
        bar.set_postfix(loss=f"{sum(losses[-100:]) / len(losses[-100:]):.4f}", refresh=False)
        if resume_from is not None and (step + 1) % settings.checkpoint_every == 0 and step + 1 < settings.steps:
            _save(resume_from, step + 1, time.monotonic() - started, made_by, module, average, optimiser)

    module.load_state_dict(average, strict=False)
    module.eval()
    if resume_from is not None:
        resume_from.unlink(missing_ok=True)
    tail = losses[-max(1, len(losses) // 10) :]
    spent = {"steps": settings.steps, "seconds": time.monotonic() - started, "precision": settings.precision}
    return spent | {"loss": sum(tail) / max(1, len(tail))}


def _save(
    path: Path,
    step: int,
    seconds: float,
    made_by: dict,
    module: nn.Module,
    average: dict,
    optimiser: torch.optim.Optimizer,
) -> None:
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


def _resume(
    path: Path, made_by: dict, module: nn.Module, parameters: dict, average: dict, optimiser: torch.optim.Optimizer
) -> tuple[int, float]:
    """Loads a resume point. Returns the steps and the seconds of training before it."""
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
    if {k: v.shape for k, v in state["average"].items()} != {k: p.shape for k, p in parameters.items()}:
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
