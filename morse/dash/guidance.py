r"""Guidance of text models: by two estimates, or by an input of the network.

Classifier-free guidance (Ho and Salimans 2022, arXiv 2207.12598) leads away from the estimate
without the prompt,

.. math:: \epsilon = \epsilon_u + w\, (\epsilon_c - \epsilon_u),

with the guidance scale w. Both estimates are one call of a batch of 2 B, and count as one step of
Dash. A network distilled with guidance (Meng et al. 2023, arXiv 2210.03142), such as LCM's, takes w
itself.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from morse.dash.conditioning import Condition, cast, network_arguments


def combine(without: Tensor, with_prompt: Tensor, scale: Tensor) -> Tensor:
    """The guided estimate (B, C, H, W) of those without and with the prompt, with scales (B,)."""
    return without + scale.to(without.dtype)[:, None, None, None] * (with_prompt - without)


def halves(cond: Condition) -> tuple[Condition, Condition]:
    """(prompt, negative) of the condition ``(scale, *prompt, *negative)``."""
    half = (len(cond) - 1) // 2
    return cond[1 : half + 1], cond[half + 1 :]


def both(cond: Condition) -> Condition:
    """The encoded prompts of both estimates, (2 B, ...): first negative, then the prompt, as
    diffusers has them."""
    prompt, negative = halves(cond)
    return tuple(torch.cat([n, p]) for n, p in zip(negative, prompt, strict=True))


def scale_features(scale: Tensor, width: int) -> Tensor:
    """Sinusoidal features (B, width) of guidance scales (B,), as LCM's network takes them: of
    1000 (w - 1)."""
    half = width // 2
    frequencies = torch.exp(torch.arange(half, device=scale.device) * (-math.log(10000.0) / (half - 1)))
    angles = 1000.0 * (scale.float() - 1.0)[:, None] * frequencies[None]
    return torch.cat([angles.sin(), angles.cos()], dim=1)


class GuidedDash:
    """The estimate of a network with classifier-free guidance, as one call of 2 B.

    Args:
        with_difference: the estimate is (B, 2 C, H, W): the guided one, and the estimate with the
            prompt less that without. A Dot of both branches takes it.
    """

    def __init__(self, network: nn.Module, with_difference: bool = False):
        self.network, self.with_difference = network, with_difference

    def branch(self, x: Tensor, t: Tensor, *prompt: Tensor) -> Tensor:
        """An estimate of one branch, without guidance, in the precision of x."""
        own, *prompt = cast((x, *prompt), self.network.conv_in.weight.dtype)
        return self.network(own, t, return_dict=False, **network_arguments(self.network, prompt))[0].to(x.dtype)

    def __call__(self, x: Tensor, t: Tensor, *cond: Tensor) -> Tensor:
        without, prompted = self.branch(torch.cat([x, x]), torch.cat([t, t]), *both(cond)).chunk(2)
        guided = combine(without, prompted, cond[0])
        return torch.cat([guided, prompted - without], dim=1) if self.with_difference else guided


class EmbeddedDash:
    """The estimate of a network that takes the guidance scale."""

    def __init__(self, network: nn.Module):
        self.network = network

    def __call__(self, x: Tensor, t: Tensor, *cond: Tensor) -> Tensor:
        features = scale_features(cond[0], self.network.config.time_cond_proj_dim)
        own, features, *prompt = cast((x, features, *cond[1:]), self.network.conv_in.weight.dtype)
        arguments = network_arguments(self.network, prompt)
        return self.network(own, t, timestep_cond=features, return_dict=False, **arguments)[0].to(x.dtype)
