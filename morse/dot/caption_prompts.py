"""Conditions of Dot's training for a text model: encoded captions, and guidance scales."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from morse.dash.base import Dash
from morse.dash.conditioning import Condition, guided


class CaptionPrompts:
    """Encodes captions when they are needed: those of millions of images are not kept.

    Args:
        captions: one for each image.
        scales: the guidance scales are uniform between these two.

    Raises:
        ValueError: one line, if there are no captions, or the network is without text encoders.
    """

    def __init__(
        self,
        dash: Dash,
        captions: Sequence[str] | None,
        scales: tuple[float, float],
        device: torch.device | str = "cpu",
    ):
        if captions is None:
            raise ValueError("the network takes prompts, and the data have no captions; give data with captions")
        if dash.encoders is None:
            raise ValueError("the network's text encoders are not loaded; load them with it")
        self.dash, self.captions, self.device = dash, captions, device
        self.low, self.high = scales
        self.empty = self._encoded([""])

    def condition(self, index: Tensor, places: Tensor) -> Condition:
        """The condition of the images ``index`` (B,). ``places`` (B,) from 0 to 1 says where
        between low and high each guidance scale is."""
        scale = (self.low + (self.high - self.low) * places).to(self.device)
        own = self._encoded([self.captions[i] for i in index.tolist()])
        return guided(scale, own, self.empty, self.dash.guidance)

    def _encoded(self, prompts: list[str]) -> Condition:
        return tuple(tensor.to(self.device) for tensor in self.dash.encoders.encode(prompts))
