"""Stable Diffusion's checkpoint, built here from the names that the original has, and folders of
pipelines, as diffusers saves them."""

import json
import shutil

import pytest
import torch
from diffusers.loaders.single_file_utils import (
    convert_ldm_clip_checkpoint,
    convert_ldm_unet_checkpoint,
    convert_ldm_vae_checkpoint,
)
from safetensors.torch import save_file
from test_dash_converters_ldm import as_taming
from text_models import text_card, text_dash, tiny_tokenizer

from morse.dash.converters import convert, convert_file
from morse.dash.converters.stable_diffusion import convert as convert_unet
from morse.dash.loading import build_dash, load_dash
from morse.experiments.cards import ROOT
from morse.experiments.yaml import read_yaml
from morse.files import DamagedFile

UNET, FIRST, TEXT = "model.diffusion_model.", "first_stage_model.", "cond_stage_model.transformer."
INNER = {"norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1", "norm2": "out_layers.0"}
INNER |= {"conv2": "out_layers.3", "conv_shortcut": "skip_connection"}
TOP = {"time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2"}
TOP |= {"conv_in": "input_blocks.0.0", "conv_norm_out": "out.0", "conv_out": "out.2"}
TOP |= {"mid_block.resnets.0": "middle_block.0", "mid_block.attentions.0": "middle_block.1"}
TOP |= {"mid_block.resnets.1": "middle_block.2"}


def as_compvis(state, unet):
    """The names of CompVis' U-Net, ldm/modules/diffusionmodules/openaimodel.py."""
    made, per, levels = {}, unet["layers_per_block"] + 1, len(unet["block_out_channels"])
    for name, value in state.items():
        parts = name.split(".")
        if parts[0] in ("down_blocks", "up_blocks"):
            way, level, part, index = parts[0], int(parts[1]), parts[2], int(parts[3])
            attends = (level if way == "down_blocks" else levels - 1 - level) in unet["attention_levels"]
            place = {"resnets": 0, "attentions": 1, "downsamplers": 0, "upsamplers": 1 + attends}[part]
            block = index if part in ("resnets", "attentions") else per - 1
            number = level * per + block + (way == "down_blocks")
            top = f"{'input' if way == 'down_blocks' else 'output'}_blocks.{number}.{place}"
            rest = ".".join(parts[4:])
            rest = rest.replace("conv.", "op.") if part == "downsamplers" else rest
        else:
            old = max((old for old in TOP if name.startswith(f"{old}.")), key=len)
            top, rest, part = TOP[old], name.removeprefix(f"{old}."), "resnets" if ".resnets" in old else ""
        layer, _, kind = rest.rpartition(".")
        layer = INNER.get(layer, layer) if part == "resnets" else layer
        made[".".join(word for word in (top, layer, kind) if word)] = value
    return made


def checkpoint(dash, card, ema=True):
    """What CompVis saved: EMA weights beside raw ones, or EMA weights under the others' names."""
    unet = as_compvis(dash.network.state_dict(), card["unet"])
    state = {f"{UNET}{name}": value + 1 if ema else value for name, value in unet.items()}
    averages = {f"model_ema.{f'diffusion_model.{name}'.replace('.', '')}": value for name, value in unet.items()}
    state |= averages | {"model_ema.decay": torch.tensor(0.9999)} if ema else {}
    first = as_taming(dash.autoencoder.network.state_dict(), len(card["autoencoder"]["block_out_channels"]))
    state |= {f"{FIRST}{name}": value for name, value in first.items()}
    text = {name.removeprefix("text.0."): value for name, value in dash.state().items() if name.startswith("text.0.")}
    state |= {f"{TEXT}text_model.{name}": value for name, value in text.items()}
    return state | {f"{TEXT}text_model.embeddings.position_ids": torch.arange(77)[None]}


def write_tokenizer(folder, vocabulary=None, merges=None):
    folder.mkdir(parents=True, exist_ok=True)
    own = tiny_tokenizer()
    (folder / "vocab.json").write_text(json.dumps(vocabulary or own[0]), encoding="utf-8")
    lines = ["#version: 0.2", *(" ".join(pair) for pair in (merges or own[1])), ""]
    (folder / "merges.txt").write_text("\n".join(lines), encoding="utf-8")


def write_folder(folder, card, dash):
    """A pipeline's folder, with the tokenizers in their own folders."""
    dash.network.save_pretrained(folder / "unet")
    dash.autoencoder.network.save_pretrained(folder / "vae")
    for number, model in enumerate(dash.encoders.models):
        end = f"_{number + 1}" * bool(number)
        model.save_pretrained(folder / f"text_encoder{end}")
        write_tokenizer(folder / f"tokenizer{end}")
    return folder


def made(xl=False):
    card = text_card(xl=xl)
    return card, text_dash(card)


def same(found, dash):
    state = dash.state()
    beside = {f"tokenizer.{number}" for number, _ in enumerate(dash.encoders.models)}
    assert {*found} == {*state} | beside
    assert all(torch.equal(found[name], value) for name, value in state.items())


@pytest.mark.parametrize("ema", [True, False], ids=["both", "ema alone"])
@pytest.mark.parametrize("kind", ["ckpt", "safetensors"])
def test_a_single_file_becomes_all_networks(tmp_path, ema, kind):
    card, dash = made()
    state, path = checkpoint(dash, card, ema), tmp_path / f"model.{kind}"
    if kind == "ckpt":
        torch.save({"state_dict": state, "epoch": 3}, path)
    else:
        save_file({name: value.contiguous() for name, value in state.items()}, path)
    write_tokenizer(tmp_path)
    same(convert(card, path), dash)
    convert_file(card, path, tmp_path / "dash.safetensors")
    loaded = load_dash(card, tmp_path / "dash.safetensors")
    prompts = ["a cat", ""]
    torch.testing.assert_close(loaded.encoders.encode(prompts), dash.encoders.encode(prompts))


def test_the_names_are_those_that_diffusers_reads():
    """diffusers' own conversions of the same file give the same networks."""
    card, dash = made()
    state = checkpoint(dash, card, ema=False)
    unet = dict(dash.network.config) | {"num_class_embeds": None}
    found = convert_ldm_unet_checkpoint(dict(state), unet)
    assert {*found} == {*dash.network.state_dict()}
    assert all(torch.equal(found[name], value) for name, value in dash.network.state_dict().items())
    found = convert_ldm_vae_checkpoint(dict(state), dict(dash.autoencoder.network.config))
    own = dash.autoencoder.network.state_dict()
    assert {*found} == {*own} and all(torch.equal(found[name].reshape(own[name].shape), own[name]) for name in own)
    found = convert_ldm_clip_checkpoint(dict(state))
    assert {name.removeprefix("text_model.") for name in found} >= {
        name.removeprefix("text.0.") for name in dash.state() if name.startswith("text.0.")
    }


@pytest.mark.parametrize("xl", [False, True], ids=["v1", "sdxl"])
def test_a_pipeline_s_folder_becomes_all_networks(tmp_path, xl):
    card, dash = made(xl)
    same(convert(card, write_folder(tmp_path, card, dash)), dash)


def test_files_of_several_repositories_lie_in_one_folder(tmp_path):
    """As a card's sources do; the second tokenizer of SDXL is the first."""
    card, dash = made(xl=True)
    folder = write_folder(tmp_path / "saved", card, dash)
    for place in ("unet", "vae", "text_encoder", "text_encoder_2"):
        (file,) = (folder / place).glob("*.safetensors")
        shutil.copy(file, tmp_path / f"{place}.safetensors")
    write_tokenizer(tmp_path)
    shutil.rmtree(folder)
    same(convert(card, tmp_path), dash)
    (tmp_path / "vae.safetensors").unlink()
    with pytest.raises(DamagedFile, match="vae: no such file"):
        convert(card, tmp_path)


def test_attentions_of_old_folders_are_read(tmp_path):
    """As in the published folder of Stable Diffusion v1.4, whose vae has names from before 2023."""
    card, dash = made()
    write_folder(tmp_path, card, dash)
    new, names = {}, {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    for name, value in dash.autoencoder.network.state_dict().items():
        for one, old in names.items():
            name = name.replace(f".{one}.", f".{old}.")
        new[name] = value.contiguous()
    assert any(".query." in name for name in new)
    save_file(new, tmp_path / "vae" / "diffusion_pytorch_model.safetensors")
    same(convert(card, tmp_path), dash)


@pytest.mark.parametrize(
    ("drop", "message"),
    [
        (UNET, r"it has no tensors model\.diffusion_model"),
        (FIRST, r"it has no tensors first_stage_model"),
        (TEXT, r"it has no tensors cond_stage_model\.transformer"),
        (f"{TEXT}text_model.final_layer_norm.bias", r"belong to another network: text\.0\.final_layer_norm\.bias"),
    ],
)
def test_what_is_missing_is_one_line(tmp_path, drop, message):
    card, dash = made()
    state = {name: value for name, value in checkpoint(dash, card).items() if not name.startswith(drop)}
    torch.save({"state_dict": state}, tmp_path / "model.ckpt")
    write_tokenizer(tmp_path)
    with pytest.raises(DamagedFile, match=message) as error:
        convert(card, tmp_path / "model.ckpt")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: (folder / "merges.txt").unlink(), r"no vocab\.json and merges\.txt, there or in tokenizer"),
        (lambda folder: write_tokenizer(folder, vocabulary={"a": 0}), r"does not number \d+ tokens from 0"),
        (lambda folder: write_tokenizer(folder, merges=[("c", "a", "t")]), r"merges\.txt: line 2 is no pair"),
        (lambda folder: write_tokenizer(folder, merges=[("c", "b")]), r"merges\.txt: line 2 is no pair"),
        (lambda folder: (folder / "merges.txt").write_bytes(b"\xff"), r"merges\.txt cannot be read"),
        (lambda folder: (folder / "vocab.json").write_text("{", encoding="utf-8"), r"vocab\.json is damaged"),
    ],
)
def test_a_tokenizer_that_does_not_fit_is_one_line(tmp_path, change, message):
    card, dash = made()
    write_folder(tmp_path, card, dash)
    shutil.rmtree(tmp_path / "tokenizer")
    write_tokenizer(tmp_path)
    change(tmp_path)
    with pytest.raises(DamagedFile, match=message) as error:
        convert(card, tmp_path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("variant", "text"), [("v1", 123_060_480), ("lcm-sdxl", 817_720_320)])
def test_sizes_are_the_published_ones(variant, text):
    content = read_yaml(ROOT / "config" / "families" / "stable-diffusion.yaml")
    card = {"family": "stable-diffusion", "schedule": content["schedule"]} | content["variants"][variant]
    with torch.device("meta"):
        dash = build_dash(card)
    count = {name: sum(one.numel() for one in part.parameters()) for name, part in dash.parts()}
    assert count.pop("") == card["parameters"] and count.pop("autoencoder.") == 83_653_863
    assert sum(count.values()) == text
    if variant == "v1":
        names = as_compvis(dash.network.state_dict(), card["unet"])
        found = convert_unet({f"{UNET}{name}": value for name, value in names.items()}, card["unet"])
        own = dash.network.state_dict()
        assert {*found} == {*own} and all(found[name].shape == own[name].shape for name in own)
        assert {"input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight", "output_blocks.5.2.conv.weight"} <= {*names}
        assert {"output_blocks.2.1.conv.weight", "input_blocks.3.0.op.weight"} <= {*names}
