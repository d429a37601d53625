"""Latent models: their autoencoder, and where images become latents and latents images."""

import numpy as np
import pytest
import torch
from diffusers import VQModel
from networks import shake, tiny_card, tiny_images

from morse.checkpoints import write_state
from morse.dash.autoencoder import build_autoencoder
from morse.dash.loading import build_dash, load_dash
from morse.data.pixels import to_network
from morse.dot.chain_settings import ChainSettings
from morse.dot.chains import ChainSource
from morse.experiments.cards import ROOT
from morse.experiments.shapes import image_shape
from morse.experiments.yaml import read_yaml
from morse.files import DamagedFile, sha256
from morse.methods.baseline import Baseline
from morse.samplers.ddim import DDIM
from morse.sampling.loop import trajectory
from morse.sampling.own_images import own_images
from morse.sampling.run import sample

SETTINGS = {
    "block_out_channels": [8, 16],
    "layers_per_block": 1,
    "latent_channels": 3,
    "codes": 16,
    "norm_num_groups": 4,
    "scale": 1.0,
}
LATENT = {"channels": 3, "sample_size": 16}


def latent_card(**settings):
    return tiny_card(LATENT, family="ldm") | {"autoencoder": SETTINGS | settings}


@pytest.fixture
def written(tmp_path):
    """(card, Dash) of a latent model whose weights are in a file, all of them random."""
    torch.manual_seed(0)
    card = latent_card()
    dash = build_dash(card)
    shake(dash.network)
    shake(dash.autoencoder.network)
    write_state(dash.state(), tmp_path / "dash.safetensors")
    card["dash"] = {"file": str(tmp_path / "dash.safetensors"), "sha256": sha256(tmp_path / "dash.safetensors")}
    return card, dash


KL = {name: value for name, value in SETTINGS.items() if name != "codes"} | {"latent_channels": 4}


def test_a_tile_bounds_what_is_decoded_at_once():
    """Images up to the tile are as ever; larger ones are decoded in overlapping tiles."""
    torch.manual_seed(0)
    whole, tiled = build_autoencoder(KL), build_autoencoder(KL | {"tile": 16})
    tiled.network.load_state_dict(whole.network.state_dict())
    sizes = []
    tiled.network.decoder.register_forward_hook(lambda module, inputs, output: sizes.append(output.shape[-1]))
    small, large = torch.randn(1, 4, 8, 8), torch.randn(1, 4, 16, 16)
    assert torch.equal(tiled.decode(small), whole.decode(small))
    assert tiled.decode(large).shape == whole.decode(large).shape == (1, 3, 32, 32)
    assert max(sizes) == 16 and len(sizes) > 4
    assert not torch.equal(tiled.decode(large), whole.decode(large))


def test_the_published_autoencoder_has_the_stated_parameters():
    settings = read_yaml(ROOT / "config" / "families" / "ldm.yaml")["variants"]["celebahq256"]["autoencoder"]
    with torch.device("meta"):
        made = build_autoencoder(settings)
    assert sum(parameter.numel() for parameter in made.network.parameters()) == 55_322_782
    assert (made.factor, made.scale) == (4, 1.0)


def test_decoding_quantises_first_and_latents_are_what_the_encoder_gives():
    """By hand: the nearest code of each place, then post_quant_conv and the decoder."""
    torch.manual_seed(0)
    made = build_autoencoder(SETTINGS)
    network = made.network
    assert isinstance(network, VQModel)
    images = torch.rand(2, 3, 32, 32) * 2 - 1
    latents = made.encode(images)
    assert latents.shape == (2, 3, 16, 16)
    torch.testing.assert_close(latents, network.quant_conv(network.encoder(images)))
    places = latents.permute(0, 2, 3, 1).reshape(-1, 3)
    nearest = torch.cdist(places, network.quantize.embedding.weight).argmin(1)
    codes = network.quantize.embedding.weight[nearest].reshape(2, 16, 16, 3).permute(0, 3, 1, 2)
    expected = network.decoder(network.post_quant_conv(codes))
    torch.testing.assert_close(made.decode(latents), expected, rtol=1e-4, atol=1e-5)
    assert (made.decode(latents) - network.decoder(network.post_quant_conv(latents))).abs().max() > 1e-3


def test_a_scale_goes_in_and_out():
    torch.manual_seed(0)
    plain = build_autoencoder(SETTINGS)
    scaled = build_autoencoder(SETTINGS | {"scale": 0.5})
    scaled.network.load_state_dict(plain.network.state_dict())
    images = torch.rand(1, 3, 32, 32)
    torch.testing.assert_close(scaled.encode(images), 0.5 * plain.encode(images))
    torch.testing.assert_close(scaled.decode(scaled.encode(images)), plain.decode(plain.encode(images)))


def test_one_file_has_both_networks(written):
    card, dash = written
    loaded = load_dash(card)
    assert loaded.state().keys() == dash.state().keys()
    assert all(torch.equal(value, dash.state()[name]) for name, value in loaded.state().items())
    assert not any(parameter.requires_grad for parameter in loaded.autoencoder.network.parameters())
    assert loaded.image_shape == image_shape(card) == (3, 32, 32) and loaded.shape == (3, 16, 16)


def test_a_file_without_the_autoencoder_is_refused(written, tmp_path):
    card, dash = written
    write_state(dash.network.state_dict(), tmp_path / "unet.safetensors")
    with pytest.raises(DamagedFile, match=r"autoencoder\..* not fit"):
        load_dash(card, tmp_path / "unet.safetensors")


def test_a_run_samples_latents_and_decodes_them(written):
    card, _ = written
    dash = load_dash(card)
    images = sample(dash, None, "ddim", "baseline", 3, 4)
    assert images.shape == (4, 3, 32, 32) and images.dtype == np.uint8 and images.std() > 1
    again = sample(dash, None, "ddim", "baseline", 3, 4, batch_size=1)
    assert np.abs(again.astype(int) - images).max() <= 1


@pytest.mark.filterwarnings("ignore:.*deprecated.*")
def test_a_run_is_diffusers_own_pipeline_s_at_scale_one(written):
    """DDIM on one grid, from the same noise. At its default scale the pipeline's images differ."""
    from diffusers import DDIMScheduler, LDMPipeline

    card, _ = written
    dash = load_dash(card)
    dash.autoencoder.network.register_to_config(scaling_factor=1.0)
    betas = {"beta_start": 0.0015, "beta_end": 0.0195, "beta_schedule": "scaled_linear"}
    scheduler = DDIMScheduler(**betas, clip_sample=False, set_alpha_to_one=True)
    pipeline = LDMPipeline(dash.autoencoder.network, dash.network, scheduler)
    pipeline.set_progress_bar_config(disable=True)
    theirs = pipeline(2, torch.Generator().manual_seed(0), num_inference_steps=10, output_type="np").images
    noise = torch.randn((2, 3, 16, 16), generator=torch.Generator().manual_seed(0))
    sampler = DDIM(dash.schedule, 10)
    ours = dash.decode(trajectory(Baseline(dash), sampler, noise))
    pixels = (ours / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1).numpy()
    np.testing.assert_allclose(pixels, theirs, atol=1e-4)
    dash.autoencoder.network.register_to_config(scaling_factor=0.18215)
    spoilt = pipeline(2, torch.Generator().manual_seed(0), num_inference_steps=10, output_type="np").images
    assert np.abs(spoilt - theirs).max() > 0.01


def test_dot_is_trained_on_latents(written):
    card, _ = written
    dash, images = load_dash(card), tiny_images(4, 3, 32)
    source = ChainSource(dash, images, ChainSettings(chains=2, points=2, flip=False))
    chains = source.draw_chains(torch.Generator().manual_seed(0))
    assert chains.x.shape == (2, 2, 3, 16, 16)
    rng = torch.Generator().manual_seed(0)
    index = torch.randint(4, (2,), generator=rng)
    latents = dash.encode(to_network(images[index.numpy()]))
    level = dash.schedule.alpha(float(chains.times.t[0, 0]))
    noise = (chains.x[0, 0] - level * latents[0]) / dash.schedule.sigma(float(chains.times.t[0, 0]))
    assert 0.8 < noise.std() < 1.2 and abs(noise.mean()) < 0.2


def test_images_that_dash_makes_for_dot_are_decoded(written, tmp_path):
    card, _ = written
    card["dot"]["training"] |= {"data": "none", "own": {"images": 4, "sampler": "ddim", "calls": 2}}
    own_images(card, tmp_path / "dash.safetensors", tmp_path / "own" / "dataset.json")
    assert np.load(tmp_path / "own" / "all-images.npy").shape == (4, 3, 32, 32)
