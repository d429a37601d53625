"""Classes reach Dash and Dot unchanged, and do not depend on how the work is cut."""

from functools import partial

import numpy as np
import pytest
import torch
from networks import dot_inputs, shake, tiny_card, tiny_dash, tiny_images

from morse.dash.conditioning import classes_of, labels_for
from morse.dash.training import train_dash
from morse.dot.chains import ChainSettings, ChainSource
from morse.dot.loading import adapted_dot
from morse.dot.training import dot_loss
from morse.methods.baseline import Baseline
from morse.methods.morse import Morse
from morse.methods.plans import paper_plan
from morse.runtime.flops import flops
from morse.runtime.latency import fastest
from morse.samplers import SAMPLERS
from morse.sampling.call_costs import measure_calls
from morse.sampling.loop import sample_shard, trajectory
from morse.sampling.plan_search import choose_plan, fine_run
from morse.seeds import generator

CLASSES = 5
UNET = {"classes": CLASSES, "learned_variance": True}
LABELS = np.arange(8) % CLASSES


@pytest.fixture(scope="module")
def dash():
    return tiny_dash(family="adm", **UNET)


@pytest.fixture(scope="module")
def dot(dash):
    dot = adapted_dot(tiny_card(UNET, family="adm"), dash)
    shake(dot.conv_out)
    return dot.eval()


def test_classes_follow_from_seed_and_index_alone():
    (whole,) = classes_of(3, range(200), CLASSES)
    assert torch.equal(classes_of(3, range(50, 60), CLASSES)[0], whole[50:60])
    assert set(whole.tolist()) == set(range(CLASSES)) and not torch.equal(classes_of(4, range(200), CLASSES)[0], whole)
    assert classes_of(3, range(200), 0) == ()


def test_a_class_is_drawn_apart_from_the_image_s_noise():
    """The noise of a run is the same with classes and without."""
    drawn = [torch.randn(4, generator=generator(0, i)) for i in range(3)]
    classes_of(0, range(3), CLASSES)
    assert all(torch.equal(torch.randn(4, generator=generator(0, i)), noise) for i, noise in enumerate(drawn))


def test_labels_are_checked():
    assert labels_for(LABELS, 0) is None and labels_for(LABELS.astype(np.uint8), CLASSES).dtype == np.int64
    with pytest.raises(ValueError, match="the data have a class 4, the network takes classes 0 to 3"):
        labels_for(LABELS, 4)
    with pytest.raises(ValueError, match="takes one of 5 classes for each image; give the labels"):
        labels_for(None, CLASSES)


def test_estimates_depend_on_the_class(dash, dot):
    x_s, x_t, eps_s, s, t = dot_inputs()
    one, other = torch.tensor([0, 1]), torch.tensor([0, 2])
    with torch.inference_mode():
        for network, inputs in ((dash, (x_t, t)), (dot, (x_s, x_t, eps_s, s, t))):
            first, second = network(*inputs, one), network(*inputs, other)
            torch.testing.assert_close(first[0], second[0])
            assert not torch.allclose(first[1], second[1], atol=1e-4)


def test_images_do_not_depend_on_batches_or_shards(dash, dot):
    plan = paper_plan(3, 5.0, 0.34)
    sampler = SAMPLERS["ddpm"](dash.schedule, plan.nfe, variance="learned_range")

    def images(first, count, batch_size):
        made = Morse(dash, dot, plan)
        conditions = partial(classes_of, 0, classes=CLASSES)
        return sample_shard(made, sampler, dash.shape, 0, first, count, batch_size, conditions=conditions).images

    whole = images(0, 5, 5)
    for parts in ([images(0, 5, 2)], [images(0, 2, 2), images(2, 3, 3)]):
        assert np.abs(np.concatenate(parts).astype(int) - whole).max() <= 1  # networks round by the batch


def test_every_image_gets_its_own_class(dash):
    asked = []

    def recorded(x, t, cond):
        asked.append(cond.tolist())
        return dash(x, t, cond)

    conditions, sampler = partial(classes_of, 7, classes=CLASSES), SAMPLERS["ddim"](dash.schedule, 2)
    sample_shard(Baseline(recorded), sampler, dash.shape, 7, 1, 3, 3, warm_up=(), conditions=conditions)
    assert asked == [classes_of(7, range(1, 4), CLASSES)[0].tolist()] * 2


def test_a_plain_function_gets_the_condition(dash):
    x = torch.randn(2, 1, 16, 16, generator=generator(0))
    cond = torch.tensor([3, 1])
    sampler = SAMPLERS["ddim"](dash.schedule, 2)
    found = trajectory(lambda x, t, cond: dash(x, torch.full((2,), t), cond), sampler, x, cond=(cond,))
    assert torch.equal(found, trajectory(Baseline(dash), sampler, x, cond=(cond,)))


def test_pairs_of_a_chain_share_its_class(dash):
    settings = ChainSettings(chains=3, points=3, steps=3)
    source = ChainSource(dash, tiny_images(8), settings, labels=LABELS)
    pairs = source.draw(generator(0, 0, 3))
    index = torch.randint(8, (3,), generator=generator(0, 0, 3))
    assert pairs.cond[0].tolist() == [int(LABELS[i]) for i in index] * 3
    assert pairs[2:4].cond[0].tolist() == pairs.cond[0][2:4].tolist()
    with torch.no_grad():  # the second pair goes from a chain's first point to its last
        torch.testing.assert_close(dash(pairs.x_t, pairs.t, *pairs.cond)[:, :1], pairs.eps_t, rtol=1e-4, atol=1e-5)


def test_dot_learns_with_classes(dash):
    dot = adapted_dot(tiny_card(UNET, family="adm"), dash)
    source = ChainSource(dash, tiny_images(8), ChainSettings(chains=2, points=3), labels=LABELS)
    loss = dot_loss(dot, source, 0)(0, generator(0))
    loss.backward()
    assert loss.isfinite() and dot.conv_out.weight.grad.abs().sum() > 0


def test_dash_learns_with_classes(tmp_path):
    card = tiny_card({"classes": CLASSES}, family="adm", steps=2)
    record = train_dash(card, tiny_images(8), tmp_path / "dash.safetensors", labels=LABELS)
    assert record["steps"] == 2
    with pytest.raises(ValueError, match="give the labels"):
        train_dash(card, tiny_images(8), tmp_path / "other.safetensors")


def test_calls_with_classes_are_measured_and_counted(dash, dot):
    costs = measure_calls(dash, dot, ["morse"], {"dash": "eager", "dot": "eager"}, 2, repetitions=2).costs
    assert costs["D"] == 1.0 and costs["."] > 0
    counted = flops(dash, dot, dash.shape, cond=dash.example(1))
    assert counted["dash"] > counted["dot"] > 0
    for name, network in (("dash", dash), ("dot", dot)):
        assert fastest(name, network, dash.shape, 2, repetitions=1, cond=dash.example(2))["seconds"]["eager"] > 0


def test_plans_are_searched_with_classes(dash, dot):
    def sampler(calls):
        return SAMPLERS["ddim"](dash.schedule, calls)

    fine = fine_run(dash, sampler(12), 2, 0)
    plans = [paper_plan(3, 5.0, 0.34)]
    assert choose_plan(dash, dot, sampler, plans, fine, 0).plan == plans[0]
