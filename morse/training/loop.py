"""The one training loop: for Dash twins, Dot, and the small feature extractor.

The loop owns optimisation (AdamW, warm-up and cosine learning rate, clipping), the exponential
moving average of the weights (EMA) and resuming. What is learnt is given by a *loss function* of a
random generator. The generator of step k is seeded by (seed, k). So a resumed training draws what
an uninterrupted one would have drawn, and ends with the same weights.

With several processes (:mod:`morse.training.distributed`) gradients are summed over all. So all
have the same weights at each step. Process 0 alone writes resume points.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from morse.runtime.device import fast_precision
from morse.seeds import generator
from morse.training.distributed import agreed, rank, sum_gradients, together
from morse.training.resume import resume, save

LossFunction = Callable[[int, torch.Generator], Tensor | Iterable[Tensor]]
"""(step, generator of that step) -> scalar loss, or scalars whose sum is the loss.

Of several scalars each is differentiated before the next is asked for, so that memory is that of
one. With several processes it is this process's share of them: the loss is the sum over all.
"""

DROPOUT_STREAM = 5
"""Tells the randomness inside a network in training from what its loss draws."""


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
    with together():
        if resume_from is not None and resume_from.exists():
            first, before = resume(resume_from, made_by, module, average, optimiser)
    agreed(first, "a resume point of step")  # all have read it before process 0 writes the next

    losses: list[float] = []
    started = time.monotonic() - before
    module.train()
    steps, alone = range(first, settings.steps), rank() == 0
    bar = tqdm(steps, initial=first, total=settings.steps, desc=progress, mininterval=5, disable=not alone)
    for step in bar:
        for group in optimiser.param_groups:
            group["lr"] = settings.rate(step)
        optimiser.zero_grad(set_to_none=True)
        loss = _differentiated(loss_function, step, settings, device)
        loss = sum_gradients([*parameters.values()], loss)
        if not torch.isfinite(loss):
            raise FloatingPointError(f"{progress}: the loss is {loss.item()} at step {step}; lower learning_rate")
        nn.utils.clip_grad_norm_(parameters.values(), settings.grad_clip)
        optimiser.step()
        decay = min(settings.ema_decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(list(average.values()), [p.detach() for p in parameters.values()], 1.0 - decay)
        losses.append(loss.item())
        bar.set_postfix(loss=f"{sum(losses[-100:]) / len(losses[-100:]):.4f}", refresh=False)
        due = (step + 1) % settings.checkpoint_every == 0 and step + 1 < settings.steps
        if resume_from is not None and alone and due:
            save(resume_from, step + 1, time.monotonic() - started, made_by, module, average, optimiser)

    module.load_state_dict(average, strict=False)
    module.eval()
    if resume_from is not None and alone:
        resume_from.unlink(missing_ok=True)
    tail = losses[-max(1, len(losses) // 10) :]
    spent = {"steps": settings.steps, "seconds": time.monotonic() - started, "precision": settings.precision}
    return spent | {"loss": sum(tail) / max(1, len(tail))}


def _differentiated(loss_function: LossFunction, step: int, settings: TrainSettings, device: torch.device) -> Tensor:
    """The loss of a step, or this process's share, whose gradients are added to the parameters'."""
    # Dropout draws from torch's own generator. Seeded for each step, it is resumed too.
    torch.manual_seed(generator(settings.seed, step, DROPOUT_STREAM).initial_seed())
    total = torch.zeros((), device=device)
    for part in _parts(loss_function, step, settings, device):
        part.backward()
        total = total + part.detach()
    return total


def _parts(loss_function: LossFunction, step: int, settings: TrainSettings, device: torch.device) -> Iterator[Tensor]:
    """The scalars of a step's loss, each computed in the training's precision."""
    precision = torch.autocast(device.type, torch.bfloat16, enabled=settings.precision == "bfloat16")
    with precision:
        loss = loss_function(step, generator(settings.seed, step))
    parts = iter([loss] if isinstance(loss, Tensor) else loss)
    while True:
        with precision:
            part = next(parts, None)
        if part is None:
            return
        yield part
