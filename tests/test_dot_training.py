"""Training Dot in less memory: parts of a step, checkpoints of gradients, resuming with them."""

import numpy as np
import pytest
import torch
from networks import tiny_card, tiny_dash, tiny_images
from text_models import text_card, text_dash

from morse.checkpoints import write_state
from morse.dash import FAMILIES
from morse.data.archive import write_dataset
from morse.dot.chains import ChainSettings, ChainSource
from morse.dot.loading import adapted_dot
from morse.dot.training import dot_loss, train_dot, train_dot_on
from morse.dot.trunk import checkpoint_gradients, share
from morse.seeds import generator

WITH_ALL = {"learned_variance": True, "classes": 3}


@pytest.fixture(scope="module", params=["ddpm", "adm"])
def dash(request):
    return tiny_dash(family=request.param, **(WITH_ALL if request.param == "adm" else {}))


def new(dash, **means):
    """A Dot whose every trained parameter is random, and its loss."""
    torch.manual_seed(0)
    dot = adapted_dot(tiny_card(), dash).train()
    with torch.no_grad():
        for parameter in dot.parameters():
            if parameter.requires_grad:
                parameter += 0.1 * torch.randn(parameter.shape)
    source = ChainSource(dash, tiny_images(), ChainSettings(chains=4, points=4), "cpu", np.arange(8) % 3)
    if means.pop("checkpointing", False):
        checkpoint_gradients(dot)
    return dot, dot_loss(dot, source, 0, **means)


def gradients(dot, loss):
    """Gradients of the first step, and the bytes that were kept for them at most."""
    kept, most = {}, [0]

    def keep(value):
        kept[value.data_ptr(), value.shape] = value.nelement() * value.element_size()
        most[0] = max(most[0], sum(kept.values()))
        return value

    found = loss(0, generator(0))
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda value: value):
        parts = iter([loss(0, generator(0))] if isinstance(found, torch.Tensor) else found)
        while (part := next(parts, None)) is not None:
            part.backward()
            kept.clear()
    return {name: p.grad for name, p in dot.named_parameters() if p.requires_grad}, most[0]


@pytest.mark.parametrize(
    ("means", "share_of_memory"),
    [({"accumulate": 3}, 0.5), ({"checkpointing": True}, 0.6)],
    ids=["parts", "checkpoints"],
)
def test_less_memory_gives_the_same_gradient(dash, means, share_of_memory):
    (expected, whole), (found, less) = gradients(*new(dash)), gradients(*new(dash, **means))
    size = max(value.abs().max() for value in expected.values())
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=0, atol=1e-6 * max(1.0, size.item()))
    assert less < share_of_memory * whole


def prepared(folder, dash, family="ddpm", unet=None, **recipe):
    write_state(dash.network.state_dict(), folder / "dash.safetensors")
    card = tiny_card(unet, steps=6, family=family)
    card["dot"]["training"] |= recipe
    return card


def trained(card, folder, name="dot", **also):
    return train_dot(card, folder / "dash.safetensors", tiny_images(), folder / f"{name}.safetensors", **also)


def test_a_killed_training_goes_on_by_other_means_but_with_the_same_data(tmp_path, monkeypatch):
    dash = tiny_dash()
    card = prepared(tmp_path, dash, chain={"chains": 4, "points": 3, "steps": 2})

    def killed(*arguments):
        loss = dot_loss(*arguments)
        return lambda step, rng: loss(step, rng) if step < 5 else pytest.fail("killed")

    monkeypatch.setattr("morse.dot.training.dot_loss", killed)
    with pytest.raises(pytest.fail.Exception):
        trained(card, tmp_path, identity="shapes/aa")
    monkeypatch.undo()
    assert torch.load(tmp_path / "dot.resume", weights_only=True)["step"] == 4
    card["dot"]["training"] |= {"accumulate": 2, "gradient_checkpointing": True, "processes": 1}
    with pytest.raises(ValueError, match=r"another data \(shapes/aa, now shapes/bb\)"):
        trained(card, tmp_path, identity="shapes/bb")
    assert trained(card, tmp_path, identity="shapes/aa")["steps"] == 6


ON_POLICY = {"chains": 4, "points": 6, "steps": 2, "min_calls": 6, "max_calls": 12, "grids": ["uniform"]}
ON_POLICY |= {"on_policy": True, "importance": 1.0}


@pytest.mark.parametrize("memory", [0, 1])
def test_a_killed_training_on_policy_ends_with_the_same_weights(memory, tmp_path, monkeypatch):
    """Its draws depend on Dot's weights, so a resume point is always between two draws."""
    card = prepared(tmp_path, tiny_dash(), chain=ON_POLICY)
    card["dot"]["memory"] = memory
    whole = trained(card, tmp_path, "whole")["sha256"]

    def killed(*arguments):
        loss = dot_loss(*arguments)
        return lambda step, rng: loss(step, rng) if step < 5 else pytest.fail("killed")

    with monkeypatch.context() as patched:
        patched.setattr("morse.dot.training.dot_loss", killed)
        with pytest.raises(pytest.fail.Exception):
            trained(card, tmp_path)
    assert torch.load(tmp_path / "dot.resume", weights_only=True)["step"] == 4
    assert trained(card, tmp_path)["sha256"] == whole


def test_on_policy_refuses_resume_points_within_a_draw(tmp_path):
    card = prepared(tmp_path, tiny_dash(), chain=ON_POLICY | {"steps": 4, "chains": 8})
    with pytest.raises(ValueError, match="checkpoint_every: 2 is not a multiple of the 4 steps of a draw") as error:
        trained(card, tmp_path)
    assert "\n" not in str(error.value) and str(error.value).endswith("set it to 4")


def test_each_process_reads_its_data_itself(tmp_path):
    labels = (np.arange(8) % 3).astype(np.uint8)
    write_dataset(tmp_path / "shapes.npz", {"train": (tiny_images(), labels)})
    dash = tiny_dash(family="adm", **WITH_ALL)
    card = prepared(tmp_path, dash, "adm", WITH_ALL)
    data = {"file": str(tmp_path / "shapes.npz"), "size": 16}
    weights = tmp_path / "dash.safetensors"
    record = train_dot_on(card, data, weights, tmp_path / "one.safetensors")
    assert record["sha256"] == trained(card, tmp_path, "other", labels=labels)["sha256"]


def test_what_dot_shares_with_dash_has_no_dropout():
    network = tiny_dash(dropout=0.5).network.train()
    x, t = torch.randn(2, 1, 16, 16), torch.tensor([3.0, 500.0])
    assert not torch.equal(network(x, t).sample, network(x, t).sample)
    twin = share(network)
    assert torch.equal(twin(x, t).sample, twin(x, t).sample)


@pytest.mark.parametrize("family", [*FAMILIES, "stable-diffusion (XL)"])
def test_no_parameter_of_dash_is_trained(family):
    """Its embeddings of classes, of an image's size and of a guidance scale neither."""
    if family.startswith("stable-diffusion"):
        card = text_card(xl=family.endswith("(XL)"))
        dash = text_dash(card)
    else:
        card, dash = tiny_card(), tiny_dash(family=family, **WITH_ALL)
    of_dash = {parameter.data_ptr() for parameter in dash.network.parameters()}
    dot = adapted_dot(card, dash)
    assert [name for name, p in dot.named_parameters() if p.requires_grad and p.data_ptr() in of_dash] == []
