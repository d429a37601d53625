"""A Dash: a pre-trained diffusion model, adapted once at the border to one convention."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from morse.schedules.noise import NoiseSchedule


@dataclass(frozen=True)
class Dash:
    """A loaded model.

    Attributes:
        network: the module itself, which Dot shares.
        estimate: its noise estimate, (x (B, C, H, W), t (B,)) -> (B, C, H, W), or (B, 2 C, H, W) with a learned variance behind it.
        schedule: the noise schedule it was trained with.
        shape: (C, H, W) of a sample.
    """

    network: nn.Module
    estimate: Callable[[Tensor, Tensor], Tensor]
    schedule: NoiseSchedule
    shape: tuple[int, int, int]

    def __call__(self, x: Tensor, t: Tensor) -> Tensor:
        return self.estimate(x, t)
