"""The DDPM++ family: published networks' sizes, and where it differs from UNet2DModel's blocks."""

import math

import pytest
import torch
from diffusers.models.attention_processor import Attention
from diffusers.models.resnet import ResnetBlock2D
from networks import tiny_vp_dash

from morse.dash.ddpmpp import NoAttention, build_unet
from morse.schedules.noise import VPSDE

CIFAR10 = {
    "sample_size": 32,
    "channels": 3,
    "block_out_channels": [128, 256, 256, 256],
    "attention_levels": [1],
    "dropout": 0.1,
}


def published(layers):
    with torch.device("meta"):
        return build_unet(CIFAR10 | {"layers_per_block": layers})


@pytest.mark.parametrize(("layers", "parameters", "tensors"), [(4, 61_804_419, 564), (8, 106_632_579, 956)])
def test_the_published_networks_have_the_authors_parameters(layers, parameters, tensors):
    network = published(layers)
    assert sum(p.numel() for p in network.parameters()) == parameters
    assert len(list(network.parameters())) == tensors


def test_every_residual_sum_is_divided():
    network = published(4)
    assert {m.output_scale_factor for m in network.modules() if isinstance(m, ResnetBlock2D)} == {math.sqrt(2)}
    assert {m.rescale_output_factor for m in network.modules() if isinstance(m, Attention)} == {math.sqrt(2)}


def test_attention_is_where_the_authors_have_it():
    """In the middle, and at 16 x 16 after each block on the way down and the last on the way up."""
    network = published(4)
    found = [name for name, module in network.named_modules() if isinstance(module, Attention)]
    down = [f"down_blocks.1.attentions.{i}" for i in range(4)]
    assert found == [*down, "up_blocks.2.attentions.4", "mid_block.attentions.0"]
    assert sum(isinstance(module, NoAttention) for module in network.modules()) == 4


def test_blocks_that_change_the_resolution_have_a_shortcut_of_their_own():
    network = published(4)
    changing = [m for m in network.modules() if isinstance(m, ResnetBlock2D) and (m.up or m.down)]
    assert len(changing) == 6
    assert all(m.conv_shortcut.weight.shape == (m.out_channels, m.in_channels, 1, 1) for m in changing)


def test_it_takes_real_timesteps_and_single_images():
    dash = tiny_vp_dash()
    x = torch.randn(3, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    t = torch.tensor([0.999, 33.3, 999.0])
    with torch.inference_mode():
        together, alone = dash(x, t), torch.cat([dash(x[i : i + 1], t[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)
    assert isinstance(dash.schedule, VPSDE) and together.std() > 0.01
    with torch.inference_mode():
        assert not torch.allclose(together, dash(x, t + 0.3), rtol=1e-3, atol=1e-4)
