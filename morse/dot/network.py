r"""Dot: the fast network that corrects Dash's last noise estimate.

.. math:: \epsilon_t \approx \epsilon_s + \eta(x_s, x_t, \epsilon_s, s, t), \qquad s > t,

where s is the timestep of Dash's last call (Li et al. 2025, arXiv 2506.18251, section 3). The core
of Dot is Dash's own blocks, shared and frozen, with LoRA. There are m extra down-sampling blocks
before them, and m extra up-sampling blocks after them. With m = 2 the shared blocks see 16 times
fewer pixels.

The shared part is not a rewritten forward pass. It is a second module tree over the *same
parameters*, with other input, output and time layers, and its ``forward`` is Dash's own. Both
timesteps enter it as one (2, B) tensor, which the new time layers split.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from functools import partial

import torch
from diffusers.models.attention_processor import Attention
from diffusers.models.embeddings import TimestepEmbedding
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.unets.unet_2d import UNet2DModel
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from morse.schedules.levels import NoiseLevels
from morse.schedules.noise import NoiseSchedule

SHARED_BLOCKS = ("down_blocks", "mid_block", "up_blocks")
"""The parts of a UNet2DModel that Dot shares, and that LoRA adapts."""


class PairProjection(nn.Module):
    """Sinusoidal features of both timesteps: (2, B), t and s -> (B, 2 D)."""

    def __init__(self, time_proj: nn.Module):
        super().__init__()
        self.time_proj = time_proj

    def forward(self, times: Tensor) -> Tensor:
        return torch.cat([self.time_proj(times[0]), self.time_proj(times[1])], dim=1)


class PairEmbedding(nn.Module):
    """Dash's own embedding of t plus a learnt one of s, which is zero before training: (B, 2 D) ->
    (B, E)."""

    def __init__(self, time_embedding: TimestepEmbedding):
        super().__init__()
        self.of_t = time_embedding
        width, embedding = time_embedding.linear_1.in_features, time_embedding.linear_2.out_features
        self.of_s = TimestepEmbedding(width, embedding)
        nn.init.zeros_(self.of_s.linear_2.weight)
        nn.init.zeros_(self.of_s.linear_2.bias)

    def forward(self, features: Tensor) -> Tensor:
        of_t, of_s = features.chunk(2, dim=1)
        return self.of_t(of_t) + self.of_s(of_s)


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


class Dot(nn.Module):
    r"""Dot around any UNet2DModel.

    If *preconditioned*, its layers see Dash's last clean estimate instead of x_s,

    .. math:: \hat x_s = (x_s - \sigma_s \epsilon_s) / \alpha_s.

    This is the same information: x_s is a mixture of it and eps_s. But at high noise x_s and eps_s
    differ by about a hundredth, and this difference is the image. The layers would first have to
    amplify it. If not preconditioned, they see x_s itself, as in the paper.

    Args:
        dash: the pre-trained network. Its parameters are shared and frozen, and it is not changed.
        channels: of the extra blocks, from full resolution down. Their number is m.
        schedule: Dash's noise schedule.
        preconditioned: as above.

    Attributes:
        ratio: the nominal N of plans, from the card that Dot was loaded by.
    """

    ratio: float = math.nan

    def __init__(
        self, dash: UNet2DModel, channels: Sequence[int], schedule: NoiseSchedule, preconditioned: bool = True
    ):
        super().__init__()
        image, inner = dash.config.in_channels, dash.config.block_out_channels[0]
        pairs = list(zip(channels, [*channels[1:], channels[-1]], strict=True))
        self.m = len(channels)
        self.preconditioned = preconditioned
        self.levels = NoiseLevels(schedule)
        self.scale = ResidualScale(schedule.t_max + 1.0)
        self.trunk = share(dash)
        self.trunk.conv_in = nn.Conv2d(channels[-1], inner, 3, padding=1)
        self.trunk.conv_out = nn.Conv2d(inner, channels[-1], 3, padding=1)
        self.trunk.time_proj = PairProjection(dash.time_proj)
        self.trunk.time_embedding = PairEmbedding(self.trunk.time_embedding)

        features = 2 * dash.time_embedding.linear_1.in_features
        width = 4 * channels[-1]
        self.time_embedding = TimestepEmbedding(features, width)
        self.conv_in = nn.Conv2d(3 * image, channels[0], 3, padding=1)
        self.down = nn.ModuleList(_block(c, c, width) for c, _ in pairs)
        self.shrink = nn.ModuleList(nn.Conv2d(c, deeper, 3, stride=2, padding=1) for c, deeper in pairs)
        self.up = nn.ModuleList(_block(c + deeper, c, width) for c, deeper in reversed(pairs))
        self.norm_out = nn.GroupNorm(_groups(channels[0]), channels[0])
        # Of the noise alone, also if Dash has a learned variance.
        self.conv_out = nn.Conv2d(channels[0], image, 3, padding=1)
        nn.init.zeros_(self.conv_out.weight)
        nn.init.zeros_(self.conv_out.bias)

    def forward(
        self, x_s: Tensor, x_t: Tensor, eps_s: Tensor, s: Tensor, t: Tensor, cond: Tensor | None = None
    ) -> Tensor:
        """The residual to add to eps_s.

        Args:
            x_s, x_t: (B, C, H, W), samples at the timestep s of Dash's last call and at t < s.
            eps_s: (B, C, H, W), Dash's estimate at s.
            s, t: (B,) timesteps.
            cond: (B,) classes, if Dash takes any. The shared blocks get them.

        Returns:
            (B, C, H, W).

        Raises:
            ValueError: if H or W cannot be halved evenly in the extra and the shared blocks.
        """
        step = 2 ** (self.m + len(self.trunk.config.block_out_channels) - 1)
        if x_t.shape[-1] % step or x_t.shape[-2] % step:
            raise ValueError(
                f"Dot halves images {int(math.log2(step))} times: {tuple(x_t.shape[-2:])} is not divisible by {step}"
            )
        times = torch.stack([t, s])
        emb = self.time_embedding(self.trunk.time_proj(times).to(x_t.dtype))
        if self.preconditioned:
            x_s = self.levels.clean_estimate(x_s, eps_s, s).to(x_t.dtype)
        h = self.conv_in(torch.cat([x_s, x_t, eps_s], dim=1))
        skips = []
        for block, shrink in zip(self.down, self.shrink, strict=True):
            h = block(h, emb)
            skips.append(h)
            h = shrink(h)  # (B, deeper, H / 2, W / 2)
        h = self.trunk(h, times, class_labels=cond, return_dict=False)[0]
        for block in self.up:
            h = functional.interpolate(h, scale_factor=2.0, mode="nearest")
            h = block(torch.cat([h, skips.pop()], dim=1), emb)
        residual = self.conv_out(functional.silu(self.norm_out(h)))
        return residual * self.scale(s, t).to(residual.dtype)[:, None, None, None]


def share(network: nn.Module) -> nn.Module:
    """A second module tree over the same parameters, which are frozen. Its layers can be replaced
    without changing the first.

    It has no dropout, also in training. Dot learns what Dash estimates, which has none either.
    """
    kept = {id(p): p for p in [*network.parameters(), *network.buffers()]}
    twin = copy.deepcopy(network, memo=kept)
    twin.requires_grad_(False)
    for module in twin.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return twin


def checkpoint_gradients(dot: nn.Module) -> None:
    """Makes Dot keep only what enters each block, in place; the backward pass computes the rest
    again.

    It takes less memory and more time. Gradients are the same up to rounding.
    """
    for module in dot.modules():
        if isinstance(module, ResnetBlock2D | Attention):
            module.forward = partial(checkpoint, module.forward, use_reentrant=False)


def _groups(channels: int) -> int:
    return math.gcd(channels, 8)


def _block(inputs: int, outputs: int, width: int) -> ResnetBlock2D:
    return ResnetBlock2D(
        in_channels=inputs,
        out_channels=outputs,
        temb_channels=width,
        groups=_groups(inputs),
        groups_out=_groups(outputs),
    )
