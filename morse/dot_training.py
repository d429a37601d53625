r"""Training Dot: Algorithm 1 of Morse (arXiv 2506.18251), generalised from pairs to chains, and the explained residual.

Algorithm 1 draws a noisy image x_s, asks Dash for eps_s, takes one DDIM step to t < s, asks Dash again, and teaches Dot

.. math:: \epsilon_s + \eta(x_s, x_t, \epsilon_s, s, t) \approx \epsilon_t, \qquad \epsilon_t = \theta(x_t, t).

A *chain* goes on from there, s = t_0 > t_1 > ... > t_{c-1}, each DDIM step with Dash's estimate. Every pair of its points is
a sample, so c calls of Dash give c (c - 1) / 2 samples, not c / 2, and a late point was reached by many small steps, as it is in
sampling. ``chain = 2`` is the paper's algorithm.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from morse.dot import Dot, ResidualScale
from morse.objectives import draw_batch
from morse.schedules import NoiseSchedule
from morse.seeds import generator
from morse.training import LossFunction

Network = Callable[..., tuple[Tensor, ...]]


@dataclass(frozen=True)
class ChainSettings:
    """What the samples of Dot's training are.

    Attributes:
        batch_size: chains in a batch.
        chain: points in a chain; 2 is the paper's Algorithm 1.
        min_calls, max_calls: a chain spans at most T / g time steps, g log-uniform between these: the distance between two
            Dash steps of runs with so many of them.
        normalise: divide each sample's error by the mean square of its residual (:class:`morse.dot.ResidualScale`);
            False is the paper's plain loss.
        flip: mirror half of the images.
    """

    batch_size: int = 32
    chain: int = 4
    min_calls: float = 2.0
    max_calls: float = 50.0
    normalise: bool = True
    flip: bool = True

    def __post_init__(self) -> None:
        if self.chain < 2:
            raise ValueError(f"chain must be 2 or more, not {self.chain}")


@dataclass(frozen=True)
class Pairs:
    """A batch of training samples: (P, C, H, W) each, times (P,)."""

    x_s: Tensor
    x_t: Tensor
    eps_s: Tensor
    eps_t: Tensor
    s: Tensor
    t: Tensor


def draw_chain_times(count: int, settings: ChainSettings, total: int, rng: torch.Generator) -> Tensor:
    """(chain, count) times, descending along the chain, real-valued in [0, T - 1].

    The first is uniform; the others are uniform in the span that follows it, which ends at 0 at the latest.
    """
    first = torch.rand(count, generator=rng) * (total - 1)
    low, high = math.log(settings.min_calls), math.log(settings.max_calls)
    span = total * torch.exp(-(low + (high - low) * torch.rand(count, generator=rng)))
    later = torch.rand((settings.chain - 1, count), generator=rng).sort(dim=0).values
    return torch.cat([first[None], first - later * torch.minimum(span, first)])


class ChainSource:
    """Draws pairs from chains.

    Args:
        dash: the frozen network, called as ``dash(x, t, return_dict=False)[0]``.
        images: (n, C, H, W) uint8.
    """

    def __init__(
        self, dash: Network, schedule: NoiseSchedule, images: np.ndarray, settings: ChainSettings, device: torch.device | str = "cpu"
    ):
        self.dash, self.images, self.settings, self.device = dash, images, settings, device
        self.total = schedule.num_train_timesteps
        log_alpha = [schedule.log_alpha(t) for t in range(self.total)]
        self._log_alpha = torch.tensor(log_alpha, dtype=torch.float64)

    def _alpha_sigma(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """(B,) times -> alpha and sigma, (B, 1, 1, 1); log alpha is linear between labels."""
        below = t.double().floor().long().clamp(0, self.total - 2)
        log_alpha = torch.lerp(self._log_alpha[below], self._log_alpha[below + 1], t.double() - below)
        alpha, sigma = log_alpha.exp(), (-torch.expm1(2.0 * log_alpha)).sqrt()
        return alpha.float()[:, None, None, None].to(self.device), sigma.float()[:, None, None, None].to(self.device)

    @torch.no_grad()
    def draw(self, rng: torch.Generator) -> Pairs:
        """One batch: batch_size chains, hence batch_size * chain * (chain - 1) / 2 pairs.

        Dash computes in its own precision whatever autocast is on: in bfloat16 its error (1e-5 in the mean square, measured on
        the shipped twin) is as large as what Dot has to learn over 10 time steps.
        """
        with torch.autocast(torch.device(self.device).type, enabled=False):
            return self._draw(rng)

    def _draw(self, rng: torch.Generator) -> Pairs:
        x_0, _ = draw_batch(self.images, self.settings.batch_size, rng, self.settings.flip)
        times = draw_chain_times(len(x_0), self.settings, self.total, rng)
        noise = torch.randn(x_0.shape, generator=rng).to(self.device)
        alpha, sigma = self._alpha_sigma(times[0])
        x = alpha * x_0.to(self.device) + sigma * noise
        points: list[tuple[Tensor, Tensor, Tensor]] = []
        for t in times:
            if points:  # DDIM: the same clean image and noise, at the new time
                x, eps, _ = points[-1]
                next_alpha, next_sigma = self._alpha_sigma(t)
                x = next_alpha * (x - sigma * eps) / alpha + next_sigma * eps
                alpha, sigma = next_alpha, next_sigma
            points.append((x, self.dash(x, t.to(self.device), return_dict=False)[0].float(), t.to(self.device)))
        pairs = [(points[i], points[j]) for j in range(1, len(points)) for i in range(j)]
        return Pairs(
            x_s=torch.cat([a[0] for a, _ in pairs]),
            x_t=torch.cat([b[0] for _, b in pairs]),
            eps_s=torch.cat([a[1] for a, _ in pairs]),
            eps_t=torch.cat([b[1] for _, b in pairs]),
            s=torch.cat([a[2] for a, _ in pairs]),
            t=torch.cat([b[2] for _, b in pairs]),
        )


def _mean_square(x: Tensor) -> Tensor:
    """(P, C, H, W) -> (P,)."""
    return x.float().square().mean(dim=(1, 2, 3))


def calibrate_scale(scale: ResidualScale, source: ChainSource, seed: int, batches: int = 64) -> None:
    """Fills the table of residual sizes from chains of Dash alone, in place. Cells no pair fell into take their column's mean."""
    rows, columns = scale.CELLS
    total, count = torch.zeros(rows, columns, dtype=torch.float64), torch.zeros(rows, columns, dtype=torch.float64)
    for batch in tqdm(range(batches), desc="size of the residual", mininterval=5):
        pairs = source.draw(generator(seed, batch, 1))  # training draws with (seed, step)
        row, column = (c.long().cpu() for c in scale.coordinates(pairs.s, pairs.t))
        values = _mean_square(pairs.eps_t - pairs.eps_s).double().cpu()
        total.index_put_((row, column), values, accumulate=True)
        count.index_put_((row, column), torch.ones_like(values), accumulate=True)
    of_column = total.sum(0) / count.sum(0).clamp(min=1.0)
    of_column = torch.where(count.sum(0) > 0, of_column, total.sum() / count.sum())
    mean = torch.where(count > 0, total / count.clamp(min=1.0), of_column.expand(rows, columns))
    scale.table.copy_(mean.sqrt())


def dot_loss(dot: Dot, source: ChainSource) -> LossFunction:
    """Mean over the pairs of |eps_s + Dot - eps_t|^2 / scale^2; the scale is 1 where the loss is the paper's plain one."""

    def loss(step: int, rng: torch.Generator) -> Tensor:
        pairs = source.draw(rng)
        residual = dot(pairs.x_s, pairs.x_t, pairs.eps_s, pairs.s, pairs.t)
        error = _mean_square(pairs.eps_s + residual - pairs.eps_t)
        return (error / dot.scale(pairs.s, pairs.t).square()).mean()

    return loss


S_EDGES = tuple(range(0, 1001, 100))
GAP_EDGES = (0, 5, 10, 20, 40, 80, 160, 320, 500)


@torch.no_grad()
def explained_residual(
    dot: Dot, source: ChainSource, seed: int, batches: int, s_edges=S_EDGES, gap_edges=GAP_EDGES
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
    for pairs in _batches(source, seed, batches):
        residual = dot(pairs.x_s, pairs.x_t, pairs.eps_s, pairs.s, pairs.t)
        s, gap = pairs.s.cpu().numpy(), (pairs.s - pairs.t).cpu().numpy()
        for index, (sums, values) in enumerate(((error, pairs.eps_s + residual - pairs.eps_t), (size, pairs.eps_s - pairs.eps_t))):
            weights = _mean_square(values).cpu().double().numpy()
            sums += np.histogram2d(s, gap, [s_edges, gap_edges], weights=weights)[0]
            totals[index] += weights.sum()
    cells = np.full(shape, np.nan)
    np.divide(error, size, out=cells, where=size > 0)
    return 1.0 - cells, 1.0 - float(totals[0] / totals[1])


def _batches(source: ChainSource, seed: int, batches: int) -> Iterator[Pairs]:
    for batch in tqdm(range(batches), desc="explained residual", mininterval=5):
        yield source.draw(generator(seed, batch, 2))  # training draws with (seed, step), the calibration with (seed, batch, 1)
