r"""Dot: the fast network that corrects Dash's last noise estimate.

.. math:: \epsilon_t \approx \epsilon_s + \eta(x_s, x_t, \epsilon_s, s, t), \qquad s > t,

where s is the timestep of Dash's last call (Li et al. 2025, arXiv 2506.18251, section 3). The core
of Dot is Dash's own blocks, shared and frozen, with LoRA. There are m extra down-sampling blocks
before them, and m extra up-sampling blocks after them. With m = 2 the shared blocks see 16 times
fewer pixels.

A text model's guidance enters Dot in one of three ways. Dash's own network may have the scale as an
input; then Dot has it too. With classifier-free guidance, Dot corrects the guided estimate, and has
an input for the scale: one pass of its layers, where Dash makes two. Or it corrects both of Dash's
estimates, in two passes, before guidance combines them.

With *memory*, Dot also knows Dash's estimate before the last one, at s' > s. It then learns what
the straight line through both leaves,

.. math:: \epsilon_t \approx \epsilon_s + w\, \ell + \eta(x_s, x_t, \epsilon_s, \ell, s', s, t),
    \qquad \ell = \frac{s - t}{s' - s} (\epsilon_s - \epsilon_{s'}).

The weight w is learnt from (s', s, t), and starts at 1. At a run's first call of Dash there is no
estimate before; then s' = s and the line is 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import torch
from diffusers.models.embeddings import TimestepEmbedding
from diffusers.models.resnet import ResnetBlock2D
from torch import Tensor, nn
from torch.nn import functional

from morse.dash.conditioning import EMBEDDED, Condition, cast, network_arguments
from morse.dash.guidance import both, combine, halves, scale_features
from morse.dot.residual_scale import ResidualScale
from morse.dot.trunk import trunk_of
from morse.runtime.arguments import Takes
from morse.schedules.levels import NoiseLevels
from morse.schedules.noise import NoiseSchedule

GUIDED, BRANCHES = "guided", "branches"
"""What Dot corrects under classifier-free guidance: the guided estimate, or those of both
branches."""

SCALE_WIDTH = 256
"""Of the features of a guidance scale, if Dash's network has none of its own."""


class Dot(nn.Module):
    r"""Dot around any UNet2DModel or UNet2DConditionModel.

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
        guidance: GUIDED or BRANCHES, EMBEDDED for a Dash with an input for the scale, or none.
        memory: 1 to take Dash's estimate before the last one too; 0, as in the paper, not to.

    Attributes:
        takes: how many estimates of Dash it takes of each image, and its memory. For BRANCHES these
            are 2, the guided one and the difference of both branches.
        ratio: the nominal N of plans, from the card that Dot was loaded by.
        form: ``channels``, ``rank``, ``preconditioned``, ``ratio`` and ``schedule`` of that card.
    """

    ratio: float = math.nan
    form: Mapping[str, Any] = MappingProxyType({})

    def __init__(
        self,
        dash: nn.Module,
        channels: Sequence[int],
        schedule: NoiseSchedule,
        preconditioned: bool = True,
        guidance: str = "",
        memory: int = 0,
    ):
        super().__init__()
        image = dash.config.in_channels
        pairs = list(zip(channels, [*channels[1:], channels[-1]], strict=True))
        self.m = len(channels)
        self.preconditioned = preconditioned
        self.levels = NoiseLevels(schedule)
        self.scale = ResidualScale(schedule.t_max + 1.0)
        self.guidance, self.takes = guidance, Takes(2 if guidance == BRANCHES else 1, memory)
        own = {GUIDED: SCALE_WIDTH, EMBEDDED: dash.config.get("time_cond_proj_dim")}
        self.scale_width = own.get(guidance, 0)
        self.trunk = trunk_of(dash, channels[-1], self.scale_width if guidance == GUIDED else 0)

        features = (2 + memory) * dash.time_embedding.linear_1.in_features + self.scale_width
        width = 4 * channels[-1]
        self.time_embedding = TimestepEmbedding(features, width)
        self.conv_in = nn.Conv2d((3 + memory) * image, channels[0], 3, padding=1)
        self.down = nn.ModuleList(_block(c, c, width) for c, _ in pairs)
        self.shrink = nn.ModuleList(nn.Conv2d(c, deeper, 3, stride=2, padding=1) for c, deeper in pairs)
        self.up = nn.ModuleList(_block(c + deeper, c, width) for c, deeper in reversed(pairs))
        self.norm_out = nn.GroupNorm(_groups(channels[0]), channels[0])
        # Of the noise alone, also if Dash has a learned variance.
        self.conv_out = nn.Conv2d(channels[0], image, 3, padding=1)
        nn.init.zeros_(self.conv_out.weight)
        nn.init.zeros_(self.conv_out.bias)
        if memory:
            self.line_weight = nn.Linear(width, 1)
            nn.init.zeros_(self.line_weight.weight)
            nn.init.ones_(self.line_weight.bias)

    def forward(self, x_s: Tensor, x_t: Tensor, eps_s: Tensor, s: Tensor, t: Tensor, *rest: Tensor) -> Tensor:
        """The residual to add to Dash's estimate of the noise at s.

        Args:
            x_s, x_t: (B, C, H, W), samples at the timestep s of Dash's last call and at t < s.
            eps_s: (B, estimates * C, H, W), Dash's estimate at s.
            s, t: (B,) timesteps.
            rest: with memory, first Dash's estimate before the last one, of the shape of eps_s, and
                its timestep (B,). Then Dash's condition (:mod:`morse.dash.conditioning`), which the
                shared blocks get.

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
        past, cond = rest[: 2 * self.takes.memory], rest[2 * self.takes.memory :]
        before = past[1:]
        # In the run's precision: the difference of two estimates is lost in a lower one.
        lines = [line_change(eps_s, past[0], before[0], s, t)] if past else []
        own = self.conv_in.weight.dtype  # half precision on a GPU, in a run of float32
        if self.guidance == BRANCHES:
            inputs, conditions = self._of_branches(x_s, x_t, eps_s, (s, t, *before), lines, cond)
            return combine(*self._residual(*inputs, cast(conditions, own)).chunk(2), cond[0])
        inputs = x_s, x_t, eps_s, (s, t, *before), lines
        if not self.guidance:
            return self._residual(*inputs, cast(cond, own))
        prompt = halves(cond)[0] if self.guidance == GUIDED else cond[1:]
        features = scale_features(cond[0], self.scale_width)
        return self._residual(*inputs, cast(prompt, own), features.to(own))

    def _of_branches(
        self, x_s: Tensor, x_t: Tensor, eps_s: Tensor, times: Sequence[Tensor], lines: Sequence[Tensor], cond: Condition
    ) -> tuple[tuple, Condition]:
        """The arguments of both branches' residuals, in one batch, of those of the guided one."""

        def branches(estimate: Tensor) -> Tensor:
            guided, difference = estimate.chunk(2, dim=1)
            without = guided - cond[0].to(estimate.dtype)[:, None, None, None] * difference
            return torch.cat([without, without + difference])

        x_s, x_t, *times = (torch.cat([one, one]) for one in (x_s, x_t, *times))
        return (x_s, x_t, branches(eps_s), times, [branches(line) for line in lines]), both(cond)

    def _residual(
        self,
        x_s: Tensor,
        x_t: Tensor,
        eps_s: Tensor,
        times: Sequence[Tensor],
        lines: Sequence[Tensor],
        prompt: Condition,
        scale: Tensor | None = None,
    ) -> Tensor:
        """As :meth:`forward`, of one estimate.

        Args:
            times: s, t and, with memory, s'.
            lines: with memory, the change that the line gives.
            scale: the features of the guidance scale, if any.
        """
        given, own, (s, t, *before) = x_t.dtype, self.conv_in.weight.dtype, times
        size = self.scale(s, t)[:, None, None, None]
        if self.preconditioned:
            x_s = self.levels.clean_estimate(*cast((x_s, eps_s), own), s)
        seen = cast((x_s, x_t, eps_s, *(line / size for line in lines)), own)
        pair = torch.stack([t, s])
        features = [self.trunk.time_proj(pair), *map(self.trunk.time_proj.time_proj, before)]
        features = torch.cat([*cast(features, own), *(() if scale is None else (scale,))], dim=1)
        emb = self.time_embedding(features)
        h = self.conv_in(torch.cat(seen, dim=1))
        skips = []
        for block, shrink in zip(self.down, self.shrink, strict=True):
            h = block(h, emb)
            skips.append(h)
            h = shrink(h)  # (B, deeper, H / 2, W / 2)
        guided = {} if scale is None else {"timestep_cond": scale}
        h = self.trunk(h, pair, return_dict=False, **network_arguments(self.trunk, prompt), **guided)[0]
        for block in self.up:
            h = functional.interpolate(h, scale_factor=2.0, mode="nearest")
            h = block(torch.cat([h, skips.pop()], dim=1), emb)
        residual = self.conv_out(functional.silu(self.norm_out(h)))
        residual = (residual * size.to(residual.dtype)).to(given)
        for line in lines:
            residual = residual + self.line_weight(functional.silu(emb)).to(given)[..., None, None] * line
        return residual


def line_change(eps_s: Tensor, eps_before: Tensor, before: Tensor, s: Tensor, t: Tensor) -> Tensor:
    """The change from s to t by the line through Dash's last two estimates; 0 where they are
    one."""
    gap = before - s
    share = torch.where(gap > 0, (s - t) / torch.where(gap > 0, gap, 1.0), 0.0)
    return share.to(eps_s.dtype)[:, None, None, None] * (eps_s - eps_before)


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
