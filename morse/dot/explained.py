"""What Dot explains of the change of Dash's estimate, by timestep and gap."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from tqdm import tqdm

from morse.dot.chains import ChainSource, Pairs
from morse.dot.network import Dot
from morse.dot.training import mean_square
from morse.seeds import generator

S_EDGES = tuple(range(0, 1001, 100))


GAP_EDGES = (0, 5, 10, 20, 40, 80, 160, 320, 500)


@torch.no_grad()
def explained_residual(
    dot: Dot, source: ChainSource, seed: int, draws: int, s_edges=S_EDGES, gap_edges=GAP_EDGES
) -> tuple[np.ndarray, float]:
    r"""How much of Dash's change Dot predicts, by time s and gap s - t.

    .. math:: 1 - \sum |\epsilon_s + \eta - \epsilon_t|^2 / \sum |\epsilon_s - \epsilon_t|^2

    Returns:
        (len(s_edges) - 1, len(gap_edges) - 1), NaN where no pair fell; and the value over all pairs,
        those outside of the edges too.
    """
    shape = (len(s_edges) - 1, len(gap_edges) - 1)
    error, size = np.zeros(shape), np.zeros(shape)
    totals = np.zeros(2)
    for pairs in _draws(source, seed, draws):
        residual = dot(pairs.x_s, pairs.x_t, pairs.eps_s, pairs.s, pairs.t)
        s, gap = pairs.s.cpu().numpy(), (pairs.s - pairs.t).cpu().numpy()
        for index, (sums, values) in enumerate(((error, pairs.eps_s + residual - pairs.eps_t), (size, pairs.eps_s - pairs.eps_t))):
            weights = mean_square(values).cpu().double().numpy()
            sums += np.histogram2d(s, gap, [s_edges, gap_edges], weights=weights)[0]
            totals[index] += weights.sum()
    cells = np.full(shape, np.nan)
    np.divide(error, size, out=cells, where=size > 0)
    return 1.0 - cells, 1.0 - float(totals[0] / totals[1])


def _draws(source: ChainSource, seed: int, draws: int) -> Iterator[Pairs]:
    """Pairs in parts of a training step's size, which is known to fit into memory."""
    size = source.settings.pairs_per_step
    for draw in tqdm(range(draws), desc="explained residual", mininterval=5):
        pairs = source.draw(generator(seed, draw, 2))  # apart from training's and the calibration's streams
        for start in range(0, source.settings.pairs, size):
            yield pairs[start : start + size]
