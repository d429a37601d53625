"""The checkpoint of CompVis/latent-diffusion, built here from names that the original has."""

import pickle
import re
import sys
import types

import pytest
import torch
from networks import shake
from test_dash_autoencoder import latent_card
from test_dash_converters import as_openai

from morse.dash.converters import convert, convert_file
from morse.dash.loading import build_dash, load_dash
from morse.experiments.cards import ROOT
from morse.experiments.yaml import read_yaml
from morse.files import DamagedFile

RULES = [
    (r"^(encoder|decoder)\.(down|up)_blocks\.(\d+)\.(?:down|up)samplers\.0", r"\1.\2.\3.\2sample"),
    (r"^(encoder|decoder)\.(down|up)_blocks\.(\d+)\.resnets\.(\d+)", r"\1.\2.\3.block.\4"),
    (r"mid_block\.resnets\.0", "mid.block_1"),
    (r"mid_block\.resnets\.1", "mid.block_2"),
    (r"mid_block\.attentions\.0", "mid.attn_1"),
    (r"conv_norm_out", "norm_out"),
    (r"conv_shortcut", "nin_shortcut"),
    (r"group_norm", "norm"),
    (r"to_out\.0", "proj_out"),
    (r"to_([qkv])", r"\1"),
]


def as_taming(state, levels):
    """The names of taming-transformers, taming/modules/diffusionmodules/model.py."""
    made = {}
    for name, value in state.items():
        attention = "attentions" in name and value.ndim == 2
        for pattern, new in RULES:
            name = re.sub(pattern, new, name)
        name = re.sub(r"decoder\.up\.(\d+)", lambda found: f"decoder.up.{levels - 1 - int(found[1])}", name)
        made[name] = value[:, :, None, None] if attention else value
    return made


def checkpoint(dash, card):
    """What Lightning saved: raw and EMA weights, the autoencoder, and its own objects."""
    unet = as_openai(dash.network.state_dict(), card["unet"], lambda channels: max(1, channels // 32))
    state = {f"model.diffusion_model.{name}": value + 1 for name, value in unet.items()}
    state |= {f"model_ema.{f'diffusion_model.{name}'.replace('.', '')}": value for name, value in unet.items()}
    first = as_taming(dash.autoencoder.network.state_dict(), len(card["autoencoder"]["block_out_channels"]))
    state |= {f"first_stage_model.{name}": value for name, value in first.items()}
    state["first_stage_model.loss.perceptual_loss.scaling_layer.shift"] = torch.zeros(3)
    state["model_ema.decay"] = torch.tensor(0.9999)
    return {"state_dict": state, "epoch": 3}


@pytest.fixture
def made():
    torch.manual_seed(0)
    card = latent_card()
    dash = build_dash(card)
    shake(dash.network)
    return card, dash


def saved(tmp_path, content, **options):
    torch.save(content, tmp_path / "model.ckpt", **options)
    return tmp_path / "model.ckpt"


def test_both_networks_come_out_with_ema_weights(made, tmp_path):
    card, dash = made
    found = convert(card, saved(tmp_path, checkpoint(dash, card)))
    assert found.keys() == dash.state().keys()
    assert all(torch.equal(value, dash.state()[name]) for name, value in found.items())
    convert_file(card, tmp_path / "model.ckpt", tmp_path / "dash.safetensors")
    loaded = load_dash(card, tmp_path / "dash.safetensors")
    x, t = torch.randn(2, 3, 16, 16), torch.tensor([10.0, 700.0])
    torch.testing.assert_close(loaded(x, t), dash(x, t))


def test_objects_of_lightning_are_left_out_and_nothing_of_them_runs(made, tmp_path, capsys):
    """Their class is not on the machine that converts, and its code would print."""
    card, dash = made
    module = types.ModuleType("lightning_of_then")
    exec("class Callback:\n    def __reduce__(self):\n        return (Callback, ())\n"
         "    def __init__(self):\n        print('run')\n", module.__dict__)  # fmt: skip
    module.Callback.__module__ = module.__name__
    sys.modules[module.__name__] = module
    try:
        content = checkpoint(dash, card) | {"callbacks": {"checkpoint": module.Callback()}}
        path = saved(tmp_path, content, pickle_module=pickle)
    finally:
        del sys.modules[module.__name__]
    capsys.readouterr()
    found = convert(card, path)
    assert torch.equal(found["conv_in.weight"], dash.state()["conv_in.weight"])
    assert "run" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("drop", "message"),
    [
        ("model_ema", "raw weights alone, with which images are far worse"),
        ("model.diffusion_model", r"it has no tensors model\.diffusion_model"),
        ("first_stage_model", r"it has no tensors first_stage_model"),
        ("model_ema.diffusion_modelout0", r"it has no model_ema\.diffusion_modelout0"),
    ],
)
def test_what_is_missing_is_one_line(made, tmp_path, drop, message):
    card, dash = made
    content = checkpoint(dash, card)
    content["state_dict"] = {name: value for name, value in content["state_dict"].items() if not name.startswith(drop)}
    with pytest.raises(DamagedFile, match=message) as error:
        convert(card, saved(tmp_path, content))
    assert "\n" not in str(error.value)


def test_another_file_is_one_line(made, tmp_path):
    with pytest.raises(DamagedFile, match="not of the layout ldm: it has no entry 'state_dict'"):
        convert(made[0], saved(tmp_path, {"model": {"a": torch.zeros(1)}}))


def test_a_pipeline_s_folder_converts_too(made, tmp_path):
    card, dash = made
    dash.network.save_pretrained(tmp_path / "unet")
    dash.autoencoder.network.save_pretrained(tmp_path / "vqvae")
    found = convert(card, tmp_path)
    assert all(torch.equal(value, dash.state()[name]) for name, value in found.items())
    (tmp_path / "vqvae" / "diffusion_pytorch_model.safetensors").unlink()
    with pytest.raises(DamagedFile, match="vqvae: no diffusion_pytorch_model"):
        convert(card, tmp_path)


def test_names_and_shapes_convert_at_true_size():
    content = read_yaml(ROOT / "config" / "families" / "ldm.yaml")
    variant = content["variants"]["celebahq256"]
    card = {"family": "ldm", "schedule": content["schedule"], "dash": {}} | variant
    with torch.device("meta"):
        dash = build_dash(card)
        unet = as_openai(dash.network.state_dict(), card["unet"], lambda channels: channels // 32)
        first = as_taming(dash.autoencoder.network.state_dict(), 3)
    assert "input_blocks.4.1.qkv.weight" in unet and "decoder.up.2.upsample.conv.weight" in first
