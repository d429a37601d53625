"""The part of Dot that is Dash's own network: the same parameters, with other layers around them.

It is not a rewritten forward pass. It is a second module tree over the *same parameters*, with
other input, output and time layers, and its ``forward`` is Dash's own. Both timesteps enter it as
one (2, B) tensor, which the new time layers split.
"""

from __future__ import annotations

import copy
from functools import partial
from types import MethodType

import torch
from diffusers.models.attention import BasicTransformerBlock
from diffusers.models.attention_processor import Attention
from diffusers.models.embeddings import TimestepEmbedding
from diffusers.models.resnet import ResnetBlock2D
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

SHARED_BLOCKS = ("down_blocks", "mid_block", "up_blocks")
"""The parts of diffusers' U-Nets that Dot shares, and that LoRA adapts."""


class PairProjection(nn.Module):
    """Sinusoidal features of both timesteps: (2, B), t and s -> (B, 2 D)."""

    def __init__(self, time_proj: nn.Module):
        super().__init__()
        self.time_proj = time_proj

    def forward(self, times: Tensor) -> Tensor:
        return torch.cat([self.time_proj(times[0]), self.time_proj(times[1])], dim=1)


class PairEmbedding(nn.Module):
    """Dash's own embedding of t plus a learnt one of s, which is zero before training: (B, 2 D) ->
    (B, E).

    Args:
        scale_width: of the features of the guidance scale, if Dot has a learnt embedding of it. It
            is zero before training too. A Dash with an embedding of its own keeps that.
    """

    def __init__(self, time_embedding: TimestepEmbedding, scale_width: int = 0):
        super().__init__()
        self.of_t = time_embedding
        width, embedding = time_embedding.linear_1.in_features, time_embedding.linear_2.out_features
        self.of_s = _zero_embedding(width, embedding)
        self.of_scale = _zero_embedding(scale_width, embedding) if scale_width else None

    def forward(self, features: Tensor, scale: Tensor | None = None) -> Tensor:
        of_t, of_s = features.chunk(2, dim=1)
        if self.of_scale is None:
            return self.of_t(of_t, scale) + self.of_s(of_s)
        return self.of_t(of_t) + self.of_s(of_s) + self.of_scale(scale)


def _zero_embedding(width: int, embedding: int) -> TimestepEmbedding:
    layers = TimestepEmbedding(width, embedding)
    nn.init.zeros_(layers.linear_2.weight)
    nn.init.zeros_(layers.linear_2.bias)
    return layers


def trunk_of(dash: nn.Module, channels: int, scale_width: int = 0) -> nn.Module:
    """Dash's network as Dot's core: (B, channels, h, w) -> the same shape.

    Args:
        dash: a U-Net of diffusers, which is not changed.
        scale_width: of :class:`PairEmbedding`.
    """
    trunk, inner = share(dash), dash.config.block_out_channels[0]
    trunk.conv_in = nn.Conv2d(channels, inner, 3, padding=1)
    trunk.conv_out = nn.Conv2d(inner, channels, 3, padding=1)
    trunk.time_proj = PairProjection(dash.time_proj)
    trunk.time_embedding = PairEmbedding(trunk.time_embedding, scale_width)
    if hasattr(trunk, "get_time_embed"):  # a UNet2DConditionModel would take the pair for a batch
        trunk.get_time_embed = MethodType(_pair_features, trunk)
    return trunk


def _pair_features(trunk: nn.Module, sample: Tensor, timestep: Tensor) -> Tensor:
    return trunk.time_proj(timestep).to(sample.dtype)


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
    for name, module in dot.named_modules():
        alone = isinstance(module, ResnetBlock2D | BasicTransformerBlock)
        if alone or (isinstance(module, Attention) and "transformer_blocks" not in name):
            module.forward = partial(checkpoint, module.forward, use_reentrant=False)
