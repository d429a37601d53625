"""The explained residual: how much of the change of Dash's estimate Dot predicts, by timestep and
gap."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from morse.dash.base import Dash
from morse.dot.chains import ChainSettings, ChainSource, Pairs
from morse.dot.network import Dot, line_change
from morse.dot.training import mean_square
from morse.runtime.arguments import taken_by
from morse.schedules.noise import NoiseSchedule
from morse.seeds import generator

GAP_PARTS = (0.0, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.5)
"""Edges of the map's cells in the gap s - t, as fractions of all timesteps."""


def edges_of(schedule: NoiseSchedule) -> tuple[list[float], list[float]]:
    """Edges of a map's cells: tenths of all timesteps for s, and :data:`GAP_PARTS` for the gap."""
    timesteps = schedule.t_max + 1.0
    return [timesteps * part / 10 for part in range(11)], [timesteps * part for part in GAP_PARTS]


def explain(
    dash: Dash,
    dot: Dot,
    images: np.ndarray,
    chain: Mapping[str, Any],
    draws: int,
    device: torch.device | str = "cpu",
    labels: np.ndarray | None = None,
    captions: Sequence[str] | None = None,
) -> tuple:
    """The map of what Dot explains, on images that it was not trained on.

    Args:
        images: (n, C, H, W) uint8.
        chain: Dot's training settings of :class:`morse.dot.chains.ChainSettings`; here without
            flips.
        draws: how many times chains are drawn.
        labels: (n,) classes of the images; used if Dash takes classes.
        captions: n texts; used if Dash takes prompts.

    Returns:
        The two values of :func:`explained_residual`, then the edges of s and of the gap; of a Dot
        with memory also those two values of the line alone.
    """
    estimates, memory = taken_by(dot)
    settings = ChainSettings(**dict(chain) | {"flip": False, "memory": memory})
    source = ChainSource(dash, images, settings, device, labels, captions=captions, estimates=estimates)
    edges = edges_of(dash.schedule)
    alone = explained_residual(line_alone, source, 0, draws, *edges) if memory else ()
    return (*explained_residual(dot, source, 0, draws, *edges), *edges, *alone)


def line_alone(
    x_s: Tensor, x_t: Tensor, eps_s: Tensor, s: Tensor, t: Tensor, eps_before: Tensor, before: Tensor, *cond: Tensor
) -> Tensor:
    """The line through Dash's last two estimates in the place of Dot."""
    return line_change(eps_s, eps_before, before, s, t)[:, : x_t.shape[1]]


@torch.no_grad()
def explained_residual(
    dot: Callable[..., Tensor],
    source: ChainSource,
    seed: int,
    draws: int,
    s_edges: Sequence[float],
    gap_edges: Sequence[float],
) -> tuple[np.ndarray, float]:
    r"""How much of Dash's change Dot predicts, by timestep s and gap s - t.

    .. math:: 1 - \sum |\epsilon_s + \eta - \epsilon_t|^2 / \sum |\epsilon_s - \epsilon_t|^2

    Returns:
        (len(s_edges) - 1, len(gap_edges) - 1), with NaN for cells without pairs; and the value over
        all pairs, also those outside the edges.
    """
    shape = (len(s_edges) - 1, len(gap_edges) - 1)
    error, size = np.zeros(shape), np.zeros(shape)
    totals = np.zeros(2)
    for pairs in _draws(source, seed, draws):
        residual = dot(*pairs.of_dot)
        s, gap = pairs.s.cpu().numpy(), (pairs.s - pairs.t).cpu().numpy()
        for index, (sums, values) in enumerate(
            ((error, pairs.eps_s + residual - pairs.eps_t), (size, pairs.eps_s - pairs.eps_t))
        ):
            weights = mean_square(values).cpu().double().numpy()
            sums += np.histogram2d(s, gap, [s_edges, gap_edges], weights=weights)[0]
            totals[index] += weights.sum()
    cells = np.full(shape, np.nan)
    np.divide(error, size, out=cells, where=size > 0)
    return 1.0 - cells, 1.0 - float(totals[0] / totals[1])


def _draws(source: ChainSource, seed: int, draws: int) -> Iterator[Pairs]:
    """Pairs in parts of a training step's size, which is known to fit in memory."""
    size = source.settings.pairs_per_step
    for draw in tqdm(range(draws), desc="explained residual", mininterval=5):
        chains = source.draw_chains(generator(seed, draw, 2))  # not the streams of training and calibration
        for part in torch.arange(source.settings.pairs).split(size):
            yield chains.pairs(part)
