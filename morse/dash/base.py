"""A Dash: a pre-trained diffusion model, adapted to one calling convention."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from morse.schedules.noise import NoiseSchedule


@dataclass(frozen=True)
class Dash:
    """A loaded model, called as ``dash(x, t) -> eps``, or ``dash(x, t, cond)`` with classes.

    Attributes:
        network: the module itself, which Dot shares.
        estimate: the noise estimate, (x (B, C, H, W), t (B,)) -> (B, C, H, W). With a learned
            variance it is (B, 2 C, H, W), with the variance after the noise. A network with classes
            takes them as a third argument (B,).
        schedule: the noise schedule it was trained with.
        shape: (C, H, W) of a sample.
        classes: how many classes it is conditioned on; 0 for none.
        weights: SHA-256 of its file of weights; empty for random weights.
    """

    network: nn.Module
    estimate: Callable[..., Tensor]
    schedule: NoiseSchedule
    shape: tuple[int, int, int]
    weights: str = ""
    classes: int = 0

    def __call__(self, x: Tensor, t: Tensor, *cond: Tensor) -> Tensor:
        return self.estimate(x, t, *cond)
