"""The size of what Dot has to learn, by timestep and gap."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


class ResidualScale(nn.Module):
    """The size of what Dot has to learn: the root mean square of eps_t - eps_s, as a smooth
    function of (s, s - t).

    It is a table over cells of s (uniform) and of the gap s - t (logarithmic), with bilinear
    interpolation. Dot's output is multiplied by it, and Dot's loss is divided by its square.
    Without it, t near 0 dominates the error of Algorithm 1, because the residual is large there.
    But the sample is decided at high noise. All ones, the initial value, give the paper's plain
    loss.
    """

    CELLS = (10, 10)

    def __init__(self, timesteps: float):
        super().__init__()
        self.timesteps = timesteps
        self.register_buffer("table", torch.ones(self.CELLS))

    def coordinates(self, s: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """(s, gap) in units of cells, each in [0, cells): s uniform on [0, timesteps), the gap
        logarithmic on [1, timesteps]."""
        rows, columns = self.CELLS
        row = s / self.timesteps * rows
        column = (s - t).clamp(min=1.0).log() / math.log(self.timesteps) * columns
        return row.clamp(0, rows - 1e-3), column.clamp(0, columns - 1e-3)

    def forward(self, s: Tensor, t: Tensor) -> Tensor:
        """(B,), (B,) -> (B,), positive."""
        rows, columns = self.CELLS
        row, column = self.coordinates(s, t)
        # grid_sample's coordinates: -1 and 1 are the outer edges of the table. The centre of a cell
        # has its value.
        grid = torch.stack([column / columns, row / rows], dim=-1) * 2.0 - 1.0
        table = self.table[None, None]
        return functional.grid_sample(table, grid[None, None], padding_mode="border", align_corners=False)[0, 0, 0]
