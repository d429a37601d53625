"""What the samples of Dot's training are, apart from :mod:`morse.dot.chains`, so that reading a
configuration loads no torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Triple = tuple[int, int, int]
"""Points of a chain: of Dash's call before the last one, of its last call, and of Dot's call."""


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
        grids: names of timestep grids (:data:`morse.schedules.grids.GRIDS`). Each chain is then a
            stretch of a run of g calls of either network, on one of them. Its samples are those of
            real plans (:attr:`triples`). If there are none, timesteps are random, and all pairs of
            points are samples.
        reach: on grids, the most calls of Dot after a call of Dash.
        importance: on grids, how much a sample counts: to this power, the square of what the size
            of its residual does to the final image (:mod:`morse.dot.chain_times`). 0: all alike.
            1: training lowers the error of the final image.
        on_policy: on grids, take a chain's steps as a run of Morse does: by Dot's own estimates
            between two calls of Dash. Dash's estimates at all points are known all the same, and
            are what Dot learns. If false, all steps are by Dash's estimates.
        memory: of the Dot, which needs grids.
        normalise: divide each sample's error by the mean square of its residual
            (:class:`morse.dot.residual_scale.ResidualScale`). False is the paper's plain loss.
        flip: mirror half of the images.
        guidance: of a text model, the least and the largest guidance scale. Scales are uniform
            between them; 2 and 10 are the paper's.
    """

    chains: int = 32
    points: int = 4
    steps: int = 1
    min_calls: float = 2.0
    max_calls: float = 50.0
    grids: Sequence[str] = ()
    reach: int = 4
    importance: float = 0.0
    on_policy: bool = False
    memory: int = 0
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
        if self.grids and self.points > self.min_calls:
            raise ValueError(f"a chain of {self.points} points on a grid needs min_calls of {self.points} or more")
        if self.memory and (not self.grids or self.points < 4):
            raise ValueError("a Dot with memory needs chains of 4 points or more, on grids")
        if self.importance and not self.grids:
            raise ValueError("importance needs grids: without a next call it is not known")
        if self.on_policy and not self.grids:
            raise ValueError("on_policy needs grids: it takes the steps of a run")
        low, high = self.guidance
        if low > high:
            raise ValueError(f"guidance: the least scale {low:g} is above the largest {high:g}")

    @property
    def pairs(self) -> int:
        """Samples of one draw."""
        return self.chains * len(self.triples())

    @property
    def pairs_per_step(self) -> int:
        """Pairs of one optimiser step."""
        return self.pairs // self.steps

    @property
    def most_calls(self) -> int:
        """The most calls of a run of which a chain on a grid is a stretch."""
        return math.floor(self.max_calls + 0.5)

    def triples(self, at_start: bool = True) -> list[Triple]:
        """The samples of a chain: (i', i, j), with i' = i where no call of Dash came before.

        Without grids these are all pairs i < j. On grids Dash's calls are some steps apart, and
        Dot's call is at most as many steps after the last one: plans spread Dash's calls evenly.
        Two calls of Dash are 2 to reach + 1 steps apart.

        Args:
            at_start: whether the chain is the start of a run. If not, Dash was called before its
                first point, at a timestep that is not in the chain. Samples of that point then
                repeat others, so that all chains have as many.
        """
        pairs = [(i, j) for i in range(self.points) for j in range(i + 1, self.points)]
        if not self.grids:
            return [(i, i, j) for i, j in pairs]
        near = [(i, j) for i, j in pairs if j - i <= self.reach]
        if not self.memory:
            return [(i, i, j) for i, j in near]
        known = [(k, i, j) for i, j in near for k in range(i) if max(2, j - i) <= i - k <= self.reach + 1]
        first = [(0, 0, j) for i, j in near if i == 0]
        return known + (first if at_start else [known[j % len(known)] for _, _, j in first])


def chain_settings(dot: Mapping[str, Any]) -> ChainSettings:
    """The settings of a Dot's training, of ``dot`` of a model's card.

    Raises:
        ValueError: one line, for settings that do not fit each other.
    """
    return ChainSettings(**dot["training"]["chain"], memory=dot["memory"])
