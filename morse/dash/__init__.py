"""Dash: pre-trained diffusion models, adapted once at the border to one convention.

Whatever its family, a Dash is called as ``dash(x, t) -> eps``: x (B, C, H, W) at time labels t (B,), and gives the noise
estimate of the same shape.
"""

from __future__ import annotations

from morse.registry import Registry

FAMILIES = Registry("Dash family", {"ddpm": "morse.dash.ddpm:build", "ddpmpp-vp": "morse.dash.ddpmpp:build"})
"""Name in a model card -> function (card's ``unet`` settings, schedule) -> :class:`Dash` with random weights."""
