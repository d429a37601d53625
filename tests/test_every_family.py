"""Every family of Dash: published networks' sizes, and what Dot and samplers need of a network."""

import pytest
import torch
from networks import dot_inputs, shake, tiny_card, tiny_dash

from morse.checkpoints import write_state
from morse.dash import FAMILIES
from morse.dash.loading import build_dash, load_dash
from morse.dot.loading import adapted_dot, load_dot, prepare_dot
from morse.dot.lora import own_state
from morse.experiments.cards import ROOT, complete_model, schema
from morse.experiments.schema import validate
from morse.experiments.yaml import read_yaml
from morse.files import sha256
from morse.methods.morse import Morse
from morse.methods.plans import paper_plan
from morse.samplers.ddim import DDIM
from morse.sampling.loop import sample_shard
from morse.schedules.presets import make_schedule

FOLDER = ROOT / "config" / "families"
SHARED = {path.stem: read_yaml(path) for path in sorted(FOLDER.glob("*.yaml"))}
VARIANTS = [(family, variant) for family, content in SHARED.items() for variant in content["variants"]]

WITH_PROMPTS = {"stable-diffusion"}  # called with encoded prompts: test_dash_guidance.py, test_dash_text.py

every_family = pytest.mark.parametrize("family", [name for name in FAMILIES if name not in WITH_PROMPTS])
every_variant = pytest.mark.parametrize(("family", "variant"), VARIANTS)


def test_every_family_has_a_file_and_every_file_a_family():
    assert set(SHARED) == set(FAMILIES)


@every_variant
def test_a_published_network_has_the_stated_parameters(family, variant):
    stated = SHARED[family]["variants"][variant]
    with torch.device("meta"):  # shapes alone: nothing is computed or stored
        dash = FAMILIES[family](stated["unet"], make_schedule(SHARED[family]["schedule"]))
    assert sum(parameter.numel() for parameter in dash.network.parameters()) == stated["parameters"]
    assert dash.shape == (stated["unet"]["channels"], *[stated["unet"]["sample_size"]] * 2)


@every_variant
def test_a_card_may_name_a_published_network(family, variant):
    """Its recipe at the paper's scale says all of Dot. Dash is not trained."""
    dash = {"file": "dash.safetensors", "sha256": "0" * 64}
    card = {"family": family, "variant": variant, "scale": "paper", "tasks": ["shapes"], "dash": dash}
    complete = complete_model(card, "a card")
    validate(complete, schema("model"), "a card")
    assert complete["unet"] == SHARED[family]["variants"][variant]["unet"]
    assert complete["schedule"] == SHARED[family]["schedule"]


@every_variant
def test_a_published_network_has_room_for_its_dot(family, variant):
    """Dot's extra blocks and the shared ones halve the image evenly."""
    unet = SHARED[family]["variants"][variant]["unet"]
    extra = len(read_yaml(ROOT / "config" / "recipes" / "paper.yaml")["dot"]["channels"])
    assert unet["sample_size"] % 2 ** (extra + len(unet["block_out_channels"]) - 1) == 0


@every_family
def test_the_estimate_depends_on_the_sample_and_on_the_time(family):
    dash = tiny_dash(family=family)
    x, t = torch.randn(3, 1, 16, 16, generator=torch.Generator().manual_seed(0)), torch.tensor([1.0, 40.0, 999.0])
    with torch.inference_mode():
        eps = dash(x, t)
        assert (eps.shape, eps.dtype) == (x.shape, x.dtype) and eps.isfinite().all() and eps.std() > 0.01
        assert not torch.allclose(dash(x.flip(0), t), eps, rtol=1e-2, atol=1e-3)
        assert not torch.allclose(dash(x, t.flip(0)), eps, rtol=1e-2, atol=1e-3)


@every_family
def test_images_of_a_batch_do_not_mix(family):
    dash = tiny_dash(family=family)
    x, t = torch.randn(3, 1, 16, 16, generator=torch.Generator().manual_seed(0)), torch.tensor([1.0, 40.0, 999.0])
    with torch.inference_mode():
        alone = torch.cat([dash(x[i : i + 1], t[i : i + 1]) for i in range(3)])
        torch.testing.assert_close(dash(x, t), alone, rtol=1e-4, atol=1e-5)


@every_family
def test_a_network_is_ready_to_sample(family):
    """Not in training mode, in which dropout would act."""
    assert not build_dash(tiny_card({"dropout": 0.5}, family=family)).network.training


@every_family
def test_weights_survive_their_file(family, tmp_path):
    dash, card, path = tiny_dash(family=family), tiny_card(family=family), tmp_path / "dash.safetensors"
    write_state(dash.network.state_dict(), path)
    loaded = load_dash(card, path, sha256(path))
    assert loaded.shape == dash.shape
    state = loaded.network.state_dict()
    assert set(state) == set(dash.network.state_dict())
    assert all(torch.equal(value, state[name]) for name, value in dash.network.state_dict().items())
    x_s, _, _, s, _ = dot_inputs()
    with torch.inference_mode():
        torch.testing.assert_close(loaded(x_s, s), dash(x_s, s), rtol=1e-4, atol=1e-5)


@every_family
def test_dot_runs_around_it_forward_and_backward(family):
    dash = tiny_dash(family=family)
    before = {name: value.clone() for name, value in dash.network.state_dict().items()}
    dot, inputs = adapted_dot(tiny_card(family=family), dash), dot_inputs()
    assert (dot(*inputs) == 0).all()  # before training
    of_dash = {parameter.data_ptr() for parameter in dash.network.parameters()}
    trained = {name: parameter for name, parameter in dot.named_parameters() if parameter.requires_grad}
    assert trained and not any(parameter.data_ptr() in of_dash for parameter in trained.values())
    with torch.no_grad():
        for parameter in trained.values():
            parameter += 0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(3))
    residual = dot(*inputs)
    assert residual.shape == inputs[0].shape and residual.isfinite().all() and residual.std() > 0
    residual.square().sum().backward()
    assert [name for name, parameter in trained.items() if parameter.grad is None or not parameter.grad.any()] == []
    assert all(torch.equal(value, before[name]) for name, value in dash.network.state_dict().items())


@every_family
def test_dot_survives_its_files_and_samples(family, tmp_path):
    card, paths = tiny_card(family=family), [tmp_path / f"{name}.safetensors" for name in ("dash", "dot", "prepared")]
    write_state(tiny_dash(family=family).network.state_dict(), paths[0])
    dash = load_dash(card, paths[0])
    dot = adapted_dot(card, dash)
    shake(dot.conv_out)
    made_for = f'{{"dash": "{dash.weights}", "form": "preconditioned=True"}}'
    write_state(own_state(dot), paths[1], made_for=made_for)
    prepare_dot(card, dash, paths[2], paths[1])
    loaded, inputs = load_dot(card, dash, paths[2]), dot_inputs()
    with torch.inference_mode():
        torch.testing.assert_close(loaded(*inputs), dot.eval()(*inputs), rtol=1e-4, atol=1e-5)
    plan = paper_plan(3, loaded.ratio, 0.5)
    sampler = DDIM(dash.schedule, plan.nfe, grid="time-uniform")
    shard = sample_shard(Morse(dash, loaded, plan), sampler, dash.shape, 0, 0, 2, 2)
    assert shard.images.shape == (2, 1, 16, 16) and shard.letters == plan.letters
