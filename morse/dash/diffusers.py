"""Any unconditional UNet2DModel of diffusers, by the arguments of its own ``config.json``.

Networks that somebody trained with diffusers are of this family.
:mod:`morse.dash.diffusers_folder` makes the card of such a network from its folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from morse.dash.base import Dash
from morse.dash.unet import UNet2DModel, as_dash, make_unet
from morse.schedules.noise import NoiseSchedule


def build(settings: Mapping[str, Any], schedule: NoiseSchedule) -> Dash:
    """The network with random weights.

    Args:
        settings: ``config``, the arguments of UNet2DModel, and what of them other parts of the
            library read: ``sample_size``, ``channels``, ``block_out_channels``,
            ``attention_levels``, ``classes`` and ``learned_variance``. Without ``config``, as
            :func:`morse.dash.unet.make_unet`.
    """
    config = settings.get("config")
    network = UNet2DModel(**config) if config else make_unet(settings, "DownBlock2D", "UpBlock2D")
    return as_dash(network, settings, schedule)
