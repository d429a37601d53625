"""MorsePipeline: the pipeline itself with all calls by Dash, the library's own loop with Dot."""

import diffusers
import pytest
import torch
from networks import shake, tiny_dash
from test_dash_autoencoder import latent_card
from text_models import pipeline, scheduler_of, text_card, text_dash

from morse.dash.loading import build_dash
from morse.dot.hub import About, read_dot
from morse.dot.loading import adapted_dot, dash_for
from morse.dot.network import BRANCHES, EMBEDDED, GUIDED, Dot
from morse.files import DamagedFile
from morse.methods.morse import Morse
from morse.methods.plans import with_ratio
from morse.pipeline import MorsePipeline
from morse.samplers import SAMPLERS
from morse.sampling.loop import trajectory
from morse.sampling.prompts import encode_prompts

# diffusers makes arrays of tensors as NumPy 1 had it.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

PROMPTS = ["a cat on a mat", "two dogs"]
LCM = {"guidance": EMBEDDED, "guidance_width": 16}
PLAN = "D..D..D."


def with_dot(card, zero=False):
    """(dash, dot) with random weights."""
    dash = text_dash(card)
    torch.manual_seed(1)
    dot = adapted_dot(card, dash).eval()
    if not zero:
        shake(dot)
    dot.ratio, dot.form = (
        5.0,
        {**{key: card["dot"][key] for key in ("channels", "rank", "preconditioned", "memory", "ratio")}},
    )
    dot.form["schedule"] = card["schedule"]
    return dash, dot


def made(card, scheduler="DDIMScheduler", zero=False, **changes):
    dash, dot = with_dot(card, zero)
    pipe = pipeline(card, dash, scheduler_of(scheduler, **changes))
    pipe.set_progress_bar_config(disable=True)
    return dash, dot, pipe, MorsePipeline(pipe, dot)


def options(**changes):
    latents = torch.randn(2, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    plain = {"prompt": PROMPTS, "guidance_scale": 7.5, "latents": latents, "output_type": "pt"}
    return plain | {"generator": torch.Generator().manual_seed(3)} | changes


TEXT = [
    ({}, False, "DDIMScheduler"),
    ({}, False, "DPMSolverMultistepScheduler"),
    ({}, False, "EulerDiscreteScheduler"),
    ({}, False, "PNDMScheduler"),
    ({}, True, "EulerDiscreteScheduler"),
    (LCM, False, "LCMScheduler"),
]


@pytest.mark.parametrize(("unet", "xl", "scheduler"), TEXT)
def test_all_calls_by_dash_are_the_pipeline_bit_for_bit(unet, xl, scheduler):
    _, _, pipe, fast = made(text_card(unet, xl=xl), scheduler, zero=True)
    expected = pipe(**options(num_inference_steps=4)).images
    assert torch.equal(fast(**options(), plan="DDDD").images, expected)
    assert torch.equal(fast(**options(num_inference_steps=4, dot_share=0)).images, expected)
    assert "forward" not in vars(pipe.unet)


@pytest.mark.parametrize(("unet", "xl", "scheduler"), [row for row in TEXT if row[2] != "PNDMScheduler"])
def test_a_zero_dot_holds_dash_s_last_estimate(unet, xl, scheduler):
    """The pipeline with a network that repeats its last answer where the plan has a point."""
    _, _, pipe, fast = made(text_card(unet, xl=xl), scheduler, zero=True)
    stochastic = scheduler == "LCMScheduler"
    plan = "DDDD" if stochastic else "D.D."  # renewed noise is another estimate
    found = fast(**options(), plan=plan).images
    forward, calls, last = pipe.unet.forward, iter(plan), []

    def held(*args, **kwargs):
        if next(calls) == "D":
            last[:] = [forward(*args, **kwargs)[0]]
            without, prompted = last[0].chunk(2) if pipe.do_classifier_free_guidance else (last[0], last[0])
            last.append(without + 7.5 * (prompted - without))
            return (last[0],)
        return (torch.cat([last[1]] * 2) if pipe.do_classifier_free_guidance else last[0],)

    pipe.unet.forward = held
    expected = pipe(**options(num_inference_steps=4)).images
    del pipe.unet.forward
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("guidance", [GUIDED, BRANCHES])
@pytest.mark.parametrize("preconditioned", [True, False])
def test_a_guided_run_is_that_of_the_library(guidance, preconditioned):
    card = text_card(dot={"guidance": guidance, "preconditioned": preconditioned})
    dash, dot, _, fast = made(card)
    found = fast(**options(output_type="latent"), plan=PLAN).images
    sampler = SAMPLERS["ddim"](dash.schedule, len(PLAN), grid="leading-offset", end="abar_0")
    morse = Morse(dash_for(dot, dash), dot, with_ratio(PLAN, 5.0))
    cond = encode_prompts(dash, PROMPTS).condition(range(2), dash.guidance, 7.5)
    expected = trajectory(morse, sampler, options()["latents"], cond=cond)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
    assert fast.plan.letters == PLAN


def test_renewed_noise_is_that_of_the_library():
    """LCM's noise is told from the sample after the step."""
    card = text_card(LCM)
    dash, dot, _, fast = made(card, "LCMScheduler")
    found = fast(**options(output_type="latent", guidance_scale=8.0), plan="D.D.").images
    rng = torch.Generator().manual_seed(3)
    fresh = [torch.randn(2, 4, 16, 16, generator=rng) for _ in range(3)]
    sampler, cond = SAMPLERS["lcm"](dash.schedule, 4), encode_prompts(dash, PROMPTS).condition(range(2), EMBEDDED, 8.0)
    expected = trajectory(Morse(dash, dot, with_ratio("D.D.", 5.0)), sampler, options()["latents"], fresh, cond)
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize(
    ("scheduler", "sampler", "own"),
    [
        (diffusers.DDIMScheduler(clip_sample=False), "ddim", {"grid": "leading"}),
        (diffusers.DDPMScheduler(clip_sample=False), "ddpm", {"variance": "fixed_small", "clip": False}),
    ],
)
def test_unconditional_pipelines(scheduler, sampler, own):
    """Both add no noise in their last step; DDPM's is told from the sample."""
    dash = tiny_dash()
    torch.manual_seed(1)
    dot = Dot(dash.network, [8, 16], dash.schedule).eval()
    shake(dot)
    dot.ratio = 5.0
    kind = diffusers.DDIMPipeline if sampler == "ddim" else diffusers.DDPMPipeline
    pipe = kind(dash.network, scheduler)
    pipe.scheduler = scheduler  # DDIMPipeline makes one of its own
    pipe.set_progress_bar_config(disable=True)
    plan = "D.D."
    found = MorsePipeline(pipe, dot)(
        batch_size=2, generator=torch.Generator().manual_seed(3), output_type="np", plan=plan
    ).images
    rng = torch.Generator().manual_seed(3)
    x, *fresh = (torch.randn(2, *dash.shape, generator=rng) for _ in range(4))
    steps = SAMPLERS[sampler](dash.schedule, 4, **({"grid": "leading"} | own))
    expected = trajectory(Morse(dash, dot, with_ratio(plan, 5.0)), steps, x, fresh)
    expected = (expected / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1).numpy()
    assert abs(found - expected).max() < 1e-3


@pytest.mark.filterwarnings("ignore:.*deprecated.*")
def test_a_pipeline_of_latents():
    """LDM's, at its scale of 1. All calls by Dash are the pipeline's own, bit for bit."""
    torch.manual_seed(0)
    dash = build_dash(latent_card())
    shake(dash.network)
    dash.autoencoder.network.register_to_config(scaling_factor=1.0)
    dot = Dot(dash.network, [8, 16], dash.schedule).eval()
    shake(dot)
    dot.ratio = 5.0
    betas = {"beta_start": 0.0015, "beta_end": 0.0195, "beta_schedule": "scaled_linear"}
    scheduler = diffusers.DDIMScheduler(**betas, clip_sample=False)
    pipe = diffusers.LDMPipeline(dash.autoencoder.network, dash.network, scheduler)
    pipe.set_progress_bar_config(disable=True)
    fast = MorsePipeline(pipe, dot)

    def images(of, **how):
        return of(2, torch.Generator().manual_seed(3), output_type="np", **how).images

    assert (images(fast, plan="DDDD") == images(pipe, num_inference_steps=4)).all()
    x = torch.randn(2, *dash.shape, generator=torch.Generator().manual_seed(3))
    morse, sampler = Morse(dash, dot, with_ratio("D.D.", 5.0)), SAMPLERS["ddim"](dash.schedule, 4, grid="leading")
    expected = (dash.decode(trajectory(morse, sampler, x)) / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1).numpy()
    assert abs(images(fast, plan="D.D.") - expected).max() < 1e-3


def test_a_budget_makes_a_plan():
    _, _, _, fast = made(text_card())
    fast(**options(num_inference_steps=4, dot_share=0.25))
    assert fast.plan.letters.count("D") == 3 and fast.plan.nfe == 8 and fast.plan.lsd <= 4


def test_what_does_not_fit_is_refused_in_one_line():
    card = text_card()
    _, dot, pipe, fast = made(card)
    for kind, changes, message in (
        ("PNDMScheduler", {}, "PNDMScheduler calls the network 17 times in 8 steps"),
        ("HeunDiscreteScheduler", {}, "calls the network 15 times in 8 steps"),
        ("EulerAncestralDiscreteScheduler", {}, "EulerAncestralDiscreteScheduler adds noise"),
        ("DDIMScheduler", {"timestep_spacing": "linspace"}, "its 8 timesteps are not so far apart"),
        ("DDIMScheduler", {"prediction_type": "v_prediction"}, "prediction_type is 'v_prediction'"),
    ):
        pipe.scheduler = scheduler_of(kind, **changes)
        with pytest.raises(ValueError, match=message) as found:
            fast(**options(), plan=PLAN)
        assert "\n" not in str(found.value)
    pipe.scheduler = scheduler_of("DDIMScheduler")
    for wrong, message in (
        ({"plan": "D.D.", "num_inference_steps": 5}, "the plan says all, with its 4 calls"),
        ({"plan": ".D"}, "the first call of a plan is Dash's"),
        ({"plan": PLAN, "guidance_rescale": 0.5}, "guidance_rescale"),
        ({"plan": PLAN, "timesteps": [900, 100]}, "the plan has 8 calls"),
    ):
        with pytest.raises(ValueError, match=message):
            fast(**options(**wrong))
    with pytest.raises(ValueError, match="has no U-Net of diffusers"):
        MorsePipeline(object(), dot)
    with pytest.raises(ValueError, match="samples of 1 channels"):
        MorsePipeline(pipe, Dot(tiny_dash().network, [8, 16], tiny_dash().schedule))


def test_a_failed_call_leaves_the_pipeline_as_it_was():
    _, _, pipe, fast = made(text_card())

    def stop(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fast(**options(), plan=PLAN, callback_on_step_end=stop)
    assert "forward" not in vars(pipe.unet)
    assert pipe(**options(num_inference_steps=2)).images.shape[0] == 2


def test_callbacks_and_attributes_are_the_pipeline_s():
    _, _, pipe, fast = made(text_card())
    seen = []

    def each(pipe, index, t, tensors):
        seen.append(index)
        return {}

    fast(**options(), plan=PLAN, callback_on_step_end=each)
    assert seen == list(range(len(PLAN))) and fast.scheduler is pipe.scheduler


ABOUT = About("someone/model", "apache-2.0", "2 steps on two images", "not measured")


@pytest.mark.parametrize("merge", [True, False])
def test_a_dot_is_shared_alone(tmp_path, merge):
    card = text_card()
    _, _, pipe, fast = made(card)
    expected = fast(**options(), plan=PLAN).images
    fast.save_pretrained(tmp_path / "shared", ABOUT)
    assert sorted(path.name for path in (tmp_path / "shared").iterdir()) == [
        "README.md",
        "config.json",
        "dot.safetensors",
    ]
    text = (tmp_path / "shared" / "README.md").read_text(encoding="utf-8")
    assert "base_model: someone/model" in text and "2 steps on two images" in text
    again = MorsePipeline.from_pretrained(pipe, tmp_path / "shared", merge=merge)
    torch.testing.assert_close(again(**options(), plan=PLAN).images, expected, atol=1e-4, rtol=1e-3)
    assert again.dot.ratio == 5.0


def test_a_shared_dot_knows_its_dash(tmp_path):
    _, _, pipe, fast = made(text_card())
    fast.save_pretrained(tmp_path, ABOUT)
    with torch.no_grad():
        pipe.unet.conv_in.weight.mul_(1.01)
    with pytest.raises(DamagedFile, match="are of another Dash, someone/model"):
        read_dot(tmp_path, pipe.unet)


def test_a_merged_dot_is_not_shared(tmp_path):
    _, _, pipe, fast = made(text_card())
    fast.save_pretrained(tmp_path, ABOUT)
    merged = MorsePipeline.from_pretrained(pipe, tmp_path)
    with pytest.raises(ValueError, match="load it with merge=False"):
        merged.save_pretrained(tmp_path / "other", ABOUT)


def test_half_precision_keeps_the_tables(tmp_path):
    _, _, pipe, fast = made(text_card())
    fast.save_pretrained(tmp_path, ABOUT)
    whole = MorsePipeline.from_pretrained(pipe, tmp_path)(**options(), plan=PLAN).images
    pipe.unet.to(torch.bfloat16)
    half = read_dot(tmp_path, pipe.unet)
    assert half.conv_in.weight.dtype == torch.bfloat16 and half.levels.log_alpha.dtype == torch.float32
    pipe.to(torch.bfloat16)
    found = MorsePipeline(pipe, half)(**options(latents=options()["latents"].bfloat16()), plan=PLAN).images
    assert torch.isfinite(found).all() and (found.float() - whole).abs().mean() < 0.2
