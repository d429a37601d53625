"""Dash: pre-trained diffusion models, one family per file. The registry of families; loading and
training by card."""

from morse.registry import Registry

FAMILIES = Registry(
    "Dash family",
    {
        "ddpm": "morse.dash.ddpm:build",
        "ddpmpp-vp": "morse.dash.ddpmpp:build",
        "iddpm": "morse.dash.iddpm:build",
        "adm": "morse.dash.adm:build",
        "ldm": "morse.dash.ldm:build",
        "stable-diffusion": "morse.dash.stable_diffusion:build",
        "diffusers": "morse.dash.diffusers:build",
    },
)
"""Name in a model card -> function (card's ``unet`` settings, schedule) ->
:class:`morse.dash.base.Dash` with random weights. The family's schedule and published networks are
in config/families."""
