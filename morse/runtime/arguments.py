"""The arguments of the networks' calls: what a Dot takes beside those of Algorithm 1, and inputs of
noise to measure calls on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class Takes(NamedTuple):
    """What a call of Dot takes.

    Attributes:
        estimates: of Dash, of each image (:class:`morse.dot.network.Dot`).
        memory: 1 if it also takes Dash's estimate before the last one, and its timestep.
    """

    estimates: int = 1
    memory: int = 0


def taken_by(dot: Callable[..., Tensor]) -> Takes:
    """What a Dot says that it takes. A plain function takes the arguments of Algorithm 1."""
    return getattr(dot, "takes", Takes())


def inputs(
    shape: Sequence[int],
    batch_size: int,
    device: torch.device | str,
    cond: tuple[Tensor, ...] = (),
    takes: Takes | None = None,
) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """The arguments of a call of Dash and of one of Dot: noise x (B, C, H, W), timesteps (B,), and
    the condition."""
    takes = takes or Takes()
    x = torch.randn((batch_size, *shape), generator=torch.Generator().manual_seed(0)).to(device)
    before, s, t = (torch.full((batch_size,), time, device=device) for time in (700.0, 600.0, 500.0))
    eps = torch.cat([x] * takes.estimates, dim=1)
    past = (eps, before) if takes.memory else ()
    return (x, t, *cond), (x, x, eps, s, t, *past, *cond)
