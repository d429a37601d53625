"""Guided estimates, loops and Dots: against their formulas, and against diffusers' pipelines."""

import json

import pytest
import torch
from diffusers import UNet2DConditionModel
from networks import shake
from text_models import pipeline, scheduler_of, text_card, text_dash

from morse.checkpoints import write_state
from morse.dash.guidance import scale_features
from morse.dash.loading import build_dash
from morse.dot.hub import to_precision
from morse.dot.loading import adapted_dot, dash_for, form_of, load_dot
from morse.dot.lora import own_state
from morse.dot.network import BRANCHES, GUIDED
from morse.files import DamagedFile
from morse.methods.morse import Morse
from morse.methods.plans import paper_plan
from morse.runtime.flops import count, flops
from morse.samplers import SAMPLERS
from morse.sampling.loop import draw, trajectory
from morse.sampling.prompts import encode_prompts
from morse.sampling.run import networks_of, precision_of
from morse.seeds import generator

PROMPTS = ["a cat on a mat", "two dogs"]
SCALE = 7.5


@pytest.fixture(scope="module")
def card():
    return text_card()


@pytest.fixture(scope="module")
def dash(card):
    return text_dash(card)


@pytest.fixture(scope="module")
def cond(dash):
    return encode_prompts(dash, PROMPTS).condition(range(2), dash.guidance, SCALE)


def noise(dash, count=2, seed=0):
    return draw([generator(seed, index) for index in range(count)], dash.shape)


def test_the_guided_estimate_is_that_of_two_calls(dash, cond):
    x, t = noise(dash), torch.tensor([900.0, 20.0])
    _, text, empty = cond
    with torch.no_grad():
        prompted, without = (dash.network(x, t, encoder_hidden_states=one).sample for one in (text, empty))
        found = dash(x, t, torch.tensor([SCALE, 1.0]), text, empty)
    torch.testing.assert_close(found[0], (without + SCALE * (prompted - without))[0], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(found[1], prompted[1], atol=1e-5, rtol=1e-4)  # at scale 1 the prompt's alone


def test_a_guided_call_is_two_forwards_and_one_step(dash):
    counted = flops(dash, None, dash.shape, cond=dash.example(1))["dash"]
    x, t, text = torch.zeros(1, *dash.shape), torch.zeros(1), torch.zeros(1, *dash.prompt_shapes[0])
    assert counted == 2 * count(lambda: dash.network(x, t, encoder_hidden_states=text)).total


@pytest.mark.parametrize(
    ("grid", "calls"),
    [("leading-offset", 5), ("leading-offset", 7), ("compvis", 8), ("uniform-offset", 10)],
)
def test_the_guided_loop_is_that_of_stable_diffusion(card, dash, cond, grid, calls):
    """On a grid that both have: 8 and 10 divide the training steps."""
    pipe = pipeline(card, dash, scheduler_of("DDIMScheduler"))
    pipe.set_progress_bar_config(disable=True)
    x = noise(dash)
    expected = pipe(
        PROMPTS, num_inference_steps=calls, guidance_scale=SCALE, latents=x.clone(), output_type="latent"
    ).images
    sampler = SAMPLERS["ddim"](dash.schedule, calls, grid=grid, end="abar_0")
    found = trajectory(lambda x, t, *cond: dash(x, torch.full((2,), t), *cond), sampler, x, cond=cond)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
    images = pipe.vae.decode(expected / card["autoencoder"]["scale"], return_dict=False)[0]
    torch.testing.assert_close(dash.decode(found), images, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("calls", [1, 2, 4])
def test_the_loop_is_that_of_latent_consistency_models(calls):
    card = text_card({"guidance": "embedded", "guidance_width": 16})
    dash = text_dash(card)
    pipe = pipeline(card, dash, scheduler_of("LCMScheduler"))
    pipe.set_progress_bar_config(disable=True)
    x = noise(dash)
    expected = pipe(
        PROMPTS,
        num_inference_steps=calls,
        guidance_scale=8.0,
        latents=x.clone(),
        generator=torch.Generator().manual_seed(3),
        output_type="latent",
    ).images
    rng = torch.Generator().manual_seed(3)
    fresh = [torch.randn(x.shape, generator=rng) for _ in range(calls)]
    cond = encode_prompts(dash, PROMPTS).condition(range(2), dash.guidance, 8.0)
    sampler = SAMPLERS["lcm"](dash.schedule, calls)
    found = trajectory(lambda x, t, *cond: dash(x, torch.full((2,), t), *cond), sampler, x, fresh, cond)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_features_of_a_scale_are_those_of_the_pipeline():
    card = text_card({"guidance": "embedded", "guidance_width": 16})
    pipe = pipeline(card, text_dash(card), scheduler_of("LCMScheduler"))
    scales = torch.tensor([3.0, 8.0])
    torch.testing.assert_close(scale_features(scales, 16), pipe.get_guidance_scale_embedding(scales - 1.0, 16))


SIZES = {
    "stable-diffusion": (
        859_520_964,
        {"sample_size": 64, "block_out_channels": [320, 640, 1280, 1280], "attention_levels": [0, 1, 2]}
        | {"heads": [8] * 4, "transformer_layers": [1] * 4, "cross_attention_dim": 768},
    ),
    "sdxl": (
        2_567_545_604,
        {"sample_size": 128, "block_out_channels": [320, 640, 1280], "attention_levels": [1, 2]}
        | {"heads": [5, 10, 20], "transformer_layers": [1, 2, 10], "cross_attention_dim": 2048}
        | {"added": {"time_width": 256, "pooled": 1280}, "guidance_width": 256},
    ),
}


@pytest.mark.parametrize("family", SIZES)
def test_networks_at_the_published_settings_have_their_size(family):
    parameters, changes = SIZES[family]
    card = text_card({"layers_per_block": 2, "norm_num_groups": 32} | changes, xl=family == "sdxl")
    with torch.device("meta"):
        network = build_dash(card, with_text=False).network
    assert isinstance(network, UNet2DConditionModel)
    assert sum(one.numel() for one in network.parameters()) == parameters


def shaken(card, dash):
    """A Dot whose output is not zero."""
    torch.manual_seed(1)
    dot = adapted_dot(card, dash).eval()
    shake(dot)
    return dot


KINDS = {
    "guided": ({}, {"guidance": GUIDED}, False),
    "branches": ({}, {"guidance": BRANCHES}, False),
    "sdxl": ({}, {}, True),
}


@pytest.fixture(params=KINDS)
def model(request):
    unet, dot, xl = KINDS[request.param]
    card = text_card(unet, dot, xl)
    return card, text_dash(card)


def test_an_untrained_dot_changes_nothing(model):
    card, dash = model
    dot, plan = adapted_dot(card, dash).eval(), paper_plan(3, 5.0, 0.34)
    networks, cond, x = networks_of(dash, dot), dash.example(2), noise(dash)
    sampler = SAMPLERS["ddim"](dash.schedule, plan.nfe)
    found = trajectory(Morse(*networks.values(), plan), sampler, x, cond=cond)
    last = []

    def held(x, t, *cond):
        """Dash where the plan says so, its last estimate elsewhere."""
        if plan.letters[sampler.times.index(t)] == "D":
            last[:] = [dash(x, torch.full((2,), t), *cond)]
        return last[0]

    torch.testing.assert_close(found, trajectory(held, sampler, x, cond=cond), atol=1e-4, rtol=1e-3)


def test_dot_hears_the_prompt_and_the_scale(model):
    card, dash = model
    dot = shaken(card, dash)
    x, s, t = noise(dash), torch.full((2,), 800.0), torch.full((2,), 600.0)
    scale, *prompt = dash.example(2)
    eps = torch.randn(2, dot.takes.estimates * 4, 16, 16, generator=generator(0, 9))
    with torch.no_grad():
        plain = dot(x, x, eps, s, t, scale, *prompt)
        other_scale = dot(x, x, eps, s, t, torch.tensor([7.5, 3.0]), *prompt)
        other_prompt = dot(x, x, eps, s, t, scale, torch.stack([prompt[0][0], prompt[0][1] + 1.0]), *prompt[1:])
    for changed in (other_scale, other_prompt):
        torch.testing.assert_close(changed[0], plain[0], atol=1e-5, rtol=1e-4)
        assert not torch.allclose(changed[1], plain[1], atol=1e-4)


def test_both_branches_are_corrected_and_then_guided(dash):
    """eps_u + r_u + w (eps_c + r_c - eps_u - r_u) is the guided estimate plus what Dot returns."""
    card = text_card(dot={"guidance": BRANCHES})
    dot = shaken(card, dash)
    x, s, t = noise(dash), torch.full((2,), 800.0), torch.full((2,), 600.0)
    scale, text, empty = dash.example(2)
    both = dash_for(dot, dash)(x, s, scale, text, empty)
    guided, difference = both.chunk(2, dim=1)
    torch.testing.assert_close(guided, dash(x, s, scale, text, empty))
    without = guided - SCALE * difference
    with torch.no_grad():
        found = dot(x, x, both, s, t, scale, text, empty)
        dot.guidance = ""  # the same layers, of one estimate
        of_empty = dot(x, x, without, s, t, empty)
        of_text = dot(x, x, without + difference, s, t, text)
    torch.testing.assert_close(found, of_empty + SCALE * (of_text - of_empty), atol=1e-4, rtol=1e-3)


def test_a_dot_survives_its_file_and_tells_how_it_is_guided(model, tmp_path):
    card, dash = model
    dot = shaken(card, dash)
    made_for = json.dumps({"dash": dash.weights, "form": form_of(card)})
    write_state(own_state(dot), tmp_path / "dot.safetensors", made_for=made_for)
    loaded = load_dot(card, dash, tmp_path / "dot.safetensors")
    x, s, t, cond = noise(dash), torch.full((2,), 800.0), torch.full((2,), 600.0), dash.example(2)
    eps = torch.randn(2, dot.takes.estimates * 4, 16, 16, generator=generator(0, 9))
    with torch.no_grad():
        torch.testing.assert_close(loaded(x, x, eps, s, t, *cond), dot(x, x, eps, s, t, *cond), atol=1e-4, rtol=1e-3)
    if card["unet"]["guidance"] == "classifier-free":
        other = {GUIDED: BRANCHES, BRANCHES: GUIDED}[card["dot"]["guidance"]]
        with pytest.raises(DamagedFile, match="are of a Dot with"):
            load_dot(card | {"dot": card["dot"] | {"guidance": other}}, dash, tmp_path / "dot.safetensors")


def test_half_precision_is_inside_the_networks_alone(model):
    """Runs stay in float32. On a GPU text models compute in what their card says, elsewhere not."""
    card, dash = model
    dot, x, t = shaken(card, dash), noise(dash), torch.full((2,), 600.0)
    cond, s = dash.example(2), torch.full((2,), 800.0)
    with torch.no_grad():
        whole = dash_for(dot, dash)(x, s, *cond)
        expected = dot(x, x, whole, s, t, *cond)
        dash.network.to(torch.bfloat16)
        to_precision(dot, torch.bfloat16)
        half = dash_for(dot, dash)(x, s, *cond)
        found = dot(x, x, whole, s, t, *cond)
    for one, other in ((half, whole), (found, expected)):
        assert one.dtype == torch.float32 and (one - other).abs().mean() < 0.2 * other.abs().mean()
        assert not torch.equal(one, other)
    assert precision_of(card | {"precision": "float16"}, "cuda") == torch.float16
    assert precision_of(card | {"precision": "float16"}, "cpu") == precision_of(card, "cuda") == torch.float32
