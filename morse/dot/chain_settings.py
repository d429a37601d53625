"""What the samples of Dot's training are, apart from :mod:`morse.dot.chains`, so that reading a
configuration loads no torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ChainSettings:
    """What the samples of Dot's training are.

    Attributes:
        chains: chains of one draw.
        points: points of a chain; 2 is the paper's Algorithm 1.
        steps: optimiser steps over which the pairs of one draw are dealt out. Each takes
            chains * points * (points - 1) / (2 * steps) of them, in random order.
        min_calls, max_calls: a chain spans at most T / g timesteps, with g log-uniform between
            these. That is the distance between two calls of Dash in a run with g of them.
        normalise: divide each sample's error by the mean square of its residual
            (:class:`morse.dot.network.ResidualScale`). False is the paper's plain loss.
        flip: mirror half of the images.
        guidance: of a text model, the least and the largest guidance scale. Scales are uniform
            between them; 2 and 10 are the paper's.
    """

    chains: int = 32
    points: int = 4
    steps: int = 1
    min_calls: float = 2.0
    max_calls: float = 50.0
    normalise: bool = True
    flip: bool = True
    guidance: tuple[float, float] = (2.0, 10.0)

    def __post_init__(self) -> None:
        if self.points < 2:
            raise ValueError(f"a chain has 2 points or more, not {self.points}")
        if self.pairs % self.steps:
            raise ValueError(
                f"{self.pairs} pairs of a draw cannot be dealt out evenly to {self.steps} steps; change one of them"
            )
        if self.min_calls > self.max_calls:
            raise ValueError(f"min_calls {self.min_calls:g} are more than max_calls {self.max_calls:g}")
        low, high = self.guidance
        if low > high:
            raise ValueError(f"guidance: the least scale {low:g} is above the largest {high:g}")

    @property
    def pairs(self) -> int:
        """Pairs of one draw."""
        return self.chains * self.points * (self.points - 1) // 2

    @property
    def pairs_per_step(self) -> int:
        """Pairs of one optimiser step."""
        return self.pairs // self.steps
