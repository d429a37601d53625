"""Folders of text-to-image pipelines: their cards, and what is refused."""

import json
import shutil

import pytest
import torch
from test_dash_converters_stable_diffusion import made, same, write_folder
from text_models import scheduler_of

from morse.dash.converters import convert, convert_file
from morse.dash.diffusers_folder import folder_card
from morse.dash.loading import load_dash
from morse.files import DamagedFile


def saved(folder, xl=False, scheduler="PNDMScheduler"):
    """A folder of tiny networks with a scheduler and the configurations of tokenizers."""
    card, dash = made(xl)
    dash.autoencoder.network.register_to_config(scaling_factor=card["autoencoder"]["scale"])
    write_folder(folder, card, dash)
    scheduler_of(scheduler).save_pretrained(folder / "scheduler")
    for number, pad in enumerate(card["text"]["padding"]):
        path = folder / f"tokenizer{f'_{number + 1}' * bool(number)}" / "tokenizer_config.json"
        path.write_text(json.dumps({"pad_token": {"content": pad} if number else pad}), encoding="utf-8")
    return card, dash


@pytest.mark.parametrize(
    ("xl", "scheduler"), [(False, "PNDMScheduler"), (True, "EulerDiscreteScheduler"), (True, "LCMScheduler")]
)
@pytest.mark.parametrize("below", ["", "unet"], ids=["whole", "unet"])
def test_a_folder_gives_the_card_and_the_networks_that_it_was_made_of(tmp_path, xl, scheduler, below):
    card, dash = saved(tmp_path, xl, scheduler)
    found = folder_card(tmp_path / below)
    wanted = {key: card[key] for key in ("family", "unet", "autoencoder", "text", "schedule")}
    assert found == wanted
    same(convert(card | found, tmp_path), dash)


def test_a_folder_s_dash_estimates_as_the_networks_in_it(tmp_path):
    card, dash = saved(tmp_path)
    card |= folder_card(tmp_path)
    convert_file(card, tmp_path, tmp_path / "dash.safetensors")
    loaded = load_dash(card, tmp_path / "dash.safetensors")
    x, t = torch.randn(2, *dash.shape), torch.tensor([10.0, 700.0])
    with torch.inference_mode():
        wanted = dash(x, t, *dash.example(2))
        assert wanted.std() > 0.1  # guidance makes estimates, and errors of rounding, larger
        torch.testing.assert_close(loaded(x, t, *dash.example(2)), wanted, rtol=1e-4, atol=1e-4)
    assert loaded.image_shape == dash.image_shape


@pytest.mark.parametrize(
    ("xl", "file", "change", "message"),
    [
        (False, "unet", {"class_embed_type": "timestep"}, "class_embed_type is timestep, and only None is read"),
        (False, "unet", {"cross_attention_dim": [12, 12]}, "[12, 12], and only one whole number is read"),
        (False, "unet", {"mid_block_type": "UNetMidBlock2DSimpleCrossAttn"}, "only UNetMidBlock2DCrossAttn is read"),
        (False, "unet", {"only_cross_attention": True}, "only_cross_attention is True, and only False is read"),
        (False, "unet", {"encoder_hid_dim": 4}, "encoder_hid_dim is 4, and only None is read"),
        (False, "unet", {"addition_embed_type": "image"}, "addition_embed_type is image, and only None is read"),
        (False, "unet", {"down_block_types": ["DownBlock2D", "SimpleCrossAttnDownBlock2D"]}, "down_block_types is"),
        (False, "unet", {"in_channels": 9, "out_channels": 9}, "in_channels is 9, and latents have 4"),
        (False, "unet", {"out_channels": 8}, "out_channels is 8, and only 4 is read"),
        (False, "unet", {"attention_head_dim": [2]}, "no network can be built of it"),
        (False, "unet", {"odd": 1}, "odd is 1, and only None is read"),
        (False, "vae", {"_class_name": "AutoencoderTiny"}, "AutoencoderTiny, and only AutoencoderKL is read"),
        (False, "vae", {"shift_factor": 0.1}, "shift_factor is 0.1, and only None is read"),
        (False, "text_encoder", {"architectures": ["T5"]}, "['T5'], and only ['CLIPTextModel'] is read"),
        (False, "text_encoder", {"hidden_size": 16}, "hidden states have 16 numbers, and the U-Net reads 12"),
        (True, "text_encoder_2", {"projection_dim": 5}, "projection_dim is 5, and the U-Net reads 6"),
        (False, "scheduler", {"prediction_type": "v_prediction"}, "v_prediction, and only epsilon is read"),
    ],
)
def test_what_is_not_read_is_told_in_a_line(tmp_path, xl, file, change, message):
    saved(tmp_path, xl)
    path = tmp_path / file / ("scheduler_config.json" if file == "scheduler" else "config.json")
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | change), encoding="utf-8")
    with pytest.raises(ValueError) as error:
        folder_card(tmp_path)
    assert message in str(error.value) and str(path) in str(error.value) and "\n" not in str(error.value)


def test_a_part_that_is_missing_is_one_line(tmp_path):
    saved(tmp_path)
    (tmp_path / "vae" / "config.json").write_text("{", encoding="utf-8")
    with pytest.raises(DamagedFile, match=r"vae/config\.json is damaged"):
        folder_card(tmp_path)
    shutil.rmtree(tmp_path / "vae")
    with pytest.raises(ValueError, match=r"no vae/config\.json in it; name the whole folder"):
        folder_card(tmp_path)
