"""Networks that diffusers saved: what is read of their folder, and what is refused."""

import json
import shutil

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler, UNet2DModel

from morse.dash.converters import convert_file
from morse.dash.diffusers_folder import folder_card
from morse.dash.loading import load_dash
from morse.files import DamagedFile
from morse.schedules.presets import make_schedule

NETWORK = {"sample_size": 16, "block_out_channels": (8, 16), "layers_per_block": 1, "norm_num_groups": 4}
BLOCKS = {
    "down_block_types": ("DownBlock2D", "AttnDownBlock2D"),
    "up_block_types": ("AttnUpBlock2D", "UpBlock2D"),
}
RESAMPLED = {
    "down_block_types": ("ResnetDownsampleBlock2D", "AttnDownBlock2D"),
    "up_block_types": ("AttnUpBlock2D", "ResnetUpsampleBlock2D"),
    "resnet_time_scale_shift": "scale_shift",
    "attn_norm_num_groups": 4,
    "attention_head_dim": 4,
}


def saved(folder, scheduler=None, layout="pipeline", **network):
    """A folder as diffusers saves it, in one of its layouts, and the network in it."""
    torch.manual_seed(0)
    unet = UNet2DModel(**NETWORK | BLOCKS | network).eval()
    scheduler = scheduler or DDPMScheduler()
    if layout == "one folder":
        unet.save_pretrained(folder)
        scheduler.save_pretrained(folder)
    else:
        unet.save_pretrained(folder / "unet")
        scheduler.save_pretrained(folder / "scheduler")
    return unet


def card_of(folder):
    dash = {"file": "dash.safetensors", "sha256": "0" * 64}
    return {**folder_card(folder), "dash": dash}


@pytest.mark.parametrize(
    ("layout", "below"), [("pipeline", ""), ("pipeline", "unet"), ("one folder", "")], ids=["whole", "unet", "old"]
)
def test_every_layout_of_a_folder_gives_the_same_network(tmp_path, layout, below):
    unet = saved(tmp_path / "f", layout=layout)
    folder = tmp_path / "f" / below
    card = card_of(folder)
    convert_file(card, folder, tmp_path / "dash.safetensors")
    dash = load_dash(card, tmp_path / "dash.safetensors")
    x, t = torch.randn(2, 3, 16, 16), torch.tensor([3.0, 700.0])
    with torch.inference_mode():
        torch.testing.assert_close(dash(x, t), unet(x, t).sample, rtol=1e-4, atol=1e-5)
    assert (dash.shape, dash.classes) == ((3, 16, 16), 0)
    assert card["unet"]["attention_levels"] == [1] and card["unet"]["block_out_channels"] == [8, 16]


@pytest.mark.parametrize(
    ("network", "shape", "classes", "channels_out"),
    [
        (RESAMPLED, (3, 16, 16), 0, 3),
        ({"in_channels": 1, "out_channels": 1, "sample_size": (32, 32)}, (1, 32, 32), 0, 1),
        ({"out_channels": 6, "num_class_embeds": 5, "attention_head_dim": None}, (3, 16, 16), 5, 6),
        ({"mid_block_type": None, "flip_sin_to_cos": False, "freq_shift": 1}, (3, 16, 16), 0, 3),
    ],
    ids=["resampled", "grey", "classes-variance", "no-middle"],
)
def test_any_unet_is_built_as_its_configuration_says(tmp_path, network, shape, classes, channels_out):
    unet = saved(tmp_path, **network)
    card = card_of(tmp_path)
    convert_file(card, tmp_path, tmp_path / "dash.safetensors")
    dash = load_dash(card, tmp_path / "dash.safetensors")
    x, t = torch.randn(2, *shape), torch.tensor([3.0, 700.0])
    labels = [torch.tensor([0, 4])] if classes else []
    with torch.inference_mode():
        estimate = dash(x, t, *labels)
        torch.testing.assert_close(estimate, unet(x, t, *labels).sample, rtol=1e-4, atol=1e-5)
    assert (dash.shape, dash.classes, estimate.shape[1]) == (shape, classes, channels_out)
    assert bool(card["unet"].get("learned_variance")) == (channels_out == 6)


@pytest.mark.parametrize(
    "scheduler",
    [
        DDPMScheduler(),
        DDIMScheduler(num_train_timesteps=500, beta_schedule="scaled_linear", beta_start=0.001, beta_end=0.012),
        DDPMScheduler(beta_schedule="squaredcos_cap_v2"),
    ],
    ids=["linear", "scaled", "cosine"],
)
def test_the_schedule_is_diffusers_own(tmp_path, scheduler):
    saved(tmp_path, scheduler)
    schedule = make_schedule(folder_card(tmp_path)["schedule"])
    np.testing.assert_allclose(schedule.alphas_cumprod, scheduler.alphas_cumprod.double().numpy(), rtol=2e-4)


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("unet/config.json", {"_class_name": "UNet1DModel"}, "_class_name is UNet1DModel, and only"),
        ("unet/config.json", {"time_embedding_type": "fourier"}, "fourier, and only positional is read"),
        ("unet/config.json", {"class_embed_type": "timestep"}, "class_embed_type is timestep, and only None"),
        ("unet/config.json", {"sample_size": None}, "sample_size is None; write the side"),
        ("unet/config.json", {"sample_size": [16, 32]}, "write the side of the square"),
        ("unet/config.json", {"out_channels": 4}, "3 channels in and 4 out are no noise estimate"),
        ("unet/config.json", {"down_block_types": ["SkipDownBlock2D"]}, "a block SkipDownBlock2D passes the image"),
        ("unet/config.json", {"chanels": 3}, "chanels is no setting of a UNet2DModel"),
        ("scheduler/scheduler_config.json", {"prediction_type": "v_prediction"}, "v_prediction, and only epsilon"),
        ("scheduler/scheduler_config.json", {"_class_name": "ScoreSdeVeScheduler"}, "only DDPMScheduler or DDIM"),
        ("scheduler/scheduler_config.json", {"beta_schedule": "sigmoid"}, "only linear or scaled_linear or squared"),
        ("scheduler/scheduler_config.json", {"trained_betas": [0.1]}, "trained_betas is [0.1], and only None"),
        ("scheduler/scheduler_config.json", {"rescale_betas_zero_snr": True}, "only False is read"),
    ],
)
def test_what_is_not_read_is_told_in_a_line(tmp_path, file, change, message):
    saved(tmp_path)
    path = tmp_path / file
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | change), encoding="utf-8")
    with pytest.raises(ValueError) as error:
        folder_card(tmp_path)
    assert message in str(error.value) and str(path) in str(error.value) and "\n" not in str(error.value)


def test_a_folder_without_its_files_is_told_in_a_line(tmp_path):
    with pytest.raises(ValueError, match="nothing is no folder; name a diffusers folder on this machine"):
        folder_card(tmp_path / "nothing")
    with pytest.raises(ValueError, match=r"no config\.json of a UNet2DModel in it"):
        folder_card(tmp_path)
    saved(tmp_path)
    shutil.rmtree(tmp_path / "scheduler")
    with pytest.raises(ValueError, match=r"no scheduler/scheduler_config\.json in it"):
        folder_card(tmp_path)
    (tmp_path / "unet" / "config.json").write_text("{", encoding="utf-8")
    (tmp_path / "scheduler_config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(DamagedFile, match="config.json is damaged"):
        folder_card(tmp_path)
