"""Dot: sharing, LoRA, the residual's scale."""

import copy
import math

import pytest
import torch
from diffusers.models.unets.unet_2d import UNet2DModel
from networks import dot_inputs, shake, tiny_dash, tiny_images, tiny_vp_dash

from morse.dash.base import Dash
from morse.dot.chains import ChainSettings, ChainSource
from morse.dot.lora import attach_lora, inference_dot, merge_lora, own_state
from morse.dot.network import Dot
from morse.dot.residual_scale import ResidualScale
from morse.dot.trunk import SHARED_BLOCKS, share
from morse.methods.morse import Morse
from morse.methods.plans import paper_plan
from morse.samplers import make_sampler
from morse.sampling.loop import sample_shard
from morse.schedules.levels import NoiseLevels
from morse.schedules.noise import VPSDE
from morse.schedules.presets import linear
from morse.seeds import generator


@pytest.fixture(scope="module")
def dash():
    return tiny_dash()


def adapted(dash, channels=(4, 8), rank=2, preconditioned=True):
    torch.manual_seed(1)
    dot = Dot(dash.network, channels, dash.schedule, preconditioned)
    attach_lora(dot, rank)
    return dot.eval()


def trained(dot, seed=3):
    """Dot as training leaves it, all but Dash's part at random."""
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in dot.parameters():
            if parameter.requires_grad:
                parameter += 0.1 * torch.randn(parameter.shape, generator=rng)
        dot.scale.table.copy_(torch.rand(dot.scale.table.shape, generator=rng) + 0.5)
    return dot


def storages(network):
    return {parameter.data_ptr() for parameter in network.parameters()}


def test_output_is_exactly_zero_before_training(dash):
    for dot in (Dot(dash.network, (4, 8), dash.schedule), adapted(dash), adapted(dash, preconditioned=False)):
        residual = dot(*dot_inputs())
        assert residual.shape == (2, 1, 16, 16)
        assert (residual == 0).all()


def test_preconditioned_layers_see_the_clean_estimate(dash):
    dot, (x_s, x_t, eps_s, s, t), seen = trained(adapted(dash)), dot_inputs(), []
    dot.conv_in.register_forward_pre_hook(lambda _, values: seen.append(values[0]))
    dot(x_s, x_t, eps_s, s, t)
    alpha, sigma = (dash.schedule.alpha(s[0].item()), dash.schedule.sigma(s[0].item()))
    expected = torch.stack([(x_s[0] - sigma * eps_s[0]) / alpha, x_t[0], eps_s[0]])
    torch.testing.assert_close(seen[0][0, :, :, :], expected[:, 0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("schedule", "within"), [(linear(), 2e-6), (VPSDE(), 1e-4)], ids=["discrete", "vp"])
def test_noise_levels_are_the_schedule_s(schedule, within):
    times = torch.tensor([schedule.t_min, 1.28, 17.0, 499.5, 998.75, 999.0])
    alpha, sigma = NoiseLevels(schedule)(times)
    assert alpha.shape == sigma.shape == (6, 1, 1, 1)
    for i, t in enumerate(times.tolist()):
        assert alpha[i].item() == pytest.approx(schedule.alpha(t), rel=2e-6)
        assert sigma[i].item() == pytest.approx(schedule.sigma(t), rel=within)


def test_shared_blocks_are_dash_s_own_parameters(dash):
    dot, own = Dot(dash.network, (4, 8), dash.schedule), dict(dash.network.named_parameters())
    shared = {name: p for name, p in dot.trunk.named_parameters() if name.startswith(SHARED_BLOCKS)}
    assert set(shared) == {name for name in own if name.startswith(SHARED_BLOCKS)}
    assert all(parameter is own[name] for name, parameter in shared.items())
    assert dot.trunk.time_embedding.of_t.linear_1.weight is own["time_embedding.linear_1.weight"]


def test_dash_is_frozen_and_all_of_dot_s_own_is_trained(dash):
    dot, of_dash = adapted(dash), storages(dash.network)
    assert not any(parameter.requires_grad for parameter in dash.network.parameters())
    for name, parameter in dot.named_parameters():
        assert parameter.requires_grad == (parameter.data_ptr() not in of_dash), name
    layers = [
        m
        for b in SHARED_BLOCKS
        for m in dash.network.get_submodule(b).modules()
        if isinstance(m, torch.nn.Conv2d | torch.nn.Linear)
    ]
    assert sum("lora_A" in name for name, _ in dot.named_parameters()) == len(layers) > 20


def test_every_trained_parameter_gets_a_gradient(dash):
    dot = trained(adapted(dash))
    dot(*dot_inputs()).square().sum().backward()
    assert [
        name for name, p in dot.named_parameters() if p.requires_grad and (p.grad is None or not p.grad.any())
    ] == []


def test_dash_is_unchanged_bit_for_bit(dash):
    x, t = torch.randn(2, 1, 16, 16, generator=torch.Generator().manual_seed(5)), torch.tensor([3.0, 700.0])

    def estimate():
        with torch.inference_mode():  # as in sampling; with gradients, attention may take another kernel
            return dash(x, t)

    weights, before = copy.deepcopy(dash.network.state_dict()), estimate()
    assert before.std() > 0.1
    dot = Dot(dash.network, (4, 8), dash.schedule)
    assert torch.equal(estimate(), before)
    attach_lora(dot, 2)
    assert torch.equal(estimate(), before)
    dot.train()
    optimiser = torch.optim.SGD([p for p in dot.parameters() if p.requires_grad], 0.1)
    for _ in range(3):
        (dot(*dot_inputs()) - 1).square().mean().backward()
        optimiser.step()
    assert torch.equal(estimate(), before) and not dash.network.training
    merge_lora(dot)
    assert torch.equal(estimate(), before)
    assert all(torch.equal(value, weights[name]) for name, value in dash.network.state_dict().items())


def test_a_layer_exchanged_in_the_twin_stays_in_the_original(dash):
    twin = share(dash.network)
    twin.conv_in = torch.nn.Identity()
    assert isinstance(dash.network.conv_in, torch.nn.Conv2d)
    assert twin.mid_block is not dash.network.mid_block


def test_merging_lora_keeps_the_output(dash):
    dot, inputs = adapted(dash), dot_inputs()
    trained(dot)
    with torch.no_grad():
        unmerged = dot(*inputs)
        merged = merge_lora(dot)(*inputs)
        assert torch.equal(dot(*inputs), unmerged)  # merging copied it
        for name, parameter in dot.named_parameters():
            if "lora_B" in name:
                parameter.zero_()
        without = dot(*inputs)
    torch.testing.assert_close(merged, unmerged, rtol=1e-4, atol=1e-5)
    assert (without - unmerged).abs().max() > 0.01


def test_inference_dot_equals_the_merged_one_bit_for_bit(dash):
    merged = merge_lora(trained(adapted(dash)))
    state, inputs = merged.state_dict(), dot_inputs()
    assert not any("lora" in name or "base_layer" in name for name in state)
    found = inference_dot(Dot(dash.network, (4, 8), dash.schedule), state)
    assert torch.equal(found(*inputs), merged(*inputs))
    assert not any(parameter.requires_grad for parameter in found.parameters())
    assert storages(found).isdisjoint(storages(dash.network) | storages(merged))
    with pytest.raises(RuntimeError):
        inference_dot(Dot(dash.network, (4, 4), dash.schedule), state)


@pytest.mark.parametrize(
    ("unet", "channels"),
    [
        ({}, (8,)),
        ({"channels": 3}, (4, 8)),
        ({}, (2, 4, 6)),
        ({"block_out_channels": [8, 8, 16], "attention_levels": []}, (4, 8)),
        ({"block_out_channels": [8], "attention_levels": [0], "layers_per_block": 2}, (3, 5)),
        ({"attention_levels": [0, 1]}, (8, 4)),
    ],
)
def test_any_unet_and_any_m(unet, channels):
    dash = tiny_dash(**unet)
    dot, inputs = trained(adapted(dash, channels)), dot_inputs(channels=dash.shape[0])
    seen = []
    dot.trunk.down_blocks[0].resnets[0].register_forward_pre_hook(lambda _, values: seen.append(values[0].shape))
    with torch.inference_mode():
        residual, merged = dot(*inputs), merge_lora(dot)(*inputs)
        assert torch.equal(dash(inputs[1], inputs[4]), tiny_dash(**unet)(inputs[1], inputs[4]))
    assert residual.shape == inputs[0].shape
    assert seen[0][2] * seen[0][3] * 4 ** len(channels) == 16 * 16
    torch.testing.assert_close(merged, residual, rtol=1e-4, atol=1e-5)


def test_dot_speaks_of_the_noise_alone_where_dash_tells_a_variance(dash):
    """A network of twice the image's channels, as those of improved DDPM."""
    config = {
        key: dash.network.config[key]
        for key in ("sample_size", "block_out_channels", "layers_per_block", "norm_num_groups")
    }
    blocks = {"down_block_types": ("DownBlock2D", "AttnDownBlock2D"), "up_block_types": ("AttnUpBlock2D", "UpBlock2D")}
    network = UNet2DModel(in_channels=1, out_channels=2, attention_head_dim=None, **blocks, **config).eval()
    shake(network)
    varied = Dash(network, lambda x, t: network(x, t, return_dict=False)[0], dash.schedule, dash.shape)
    dot = trained(adapted(varied))
    x_s, x_t, _, s, t = dot_inputs()
    assert dot(x_s, x_t, varied(x_s, s)[:, :1], s, t).shape == x_t.shape
    pairs = ChainSource(varied, tiny_images(), ChainSettings(chains=2, points=3)).draw(generator(0))
    assert pairs.eps_s.shape == pairs.x_s.shape
    plan = paper_plan(4, 3.0, 0.5)
    for options in ({"kind": "ddim", "options": {}}, {"kind": "ddpm", "options": {"variance": "learned_range"}}):
        sampler = make_sampler(options, dash.schedule, plan.nfe)
        shard = sample_shard(Morse(varied, dot, plan), sampler, varied.shape, 0, 0, 2, 2)
        assert shard.images.shape == (2, 1, 16, 16) and shard.letters == plan.letters


@pytest.mark.parametrize("layers", [1, 2])
def test_the_continuous_family_too(layers):
    dash = tiny_vp_dash(layers_per_block=layers)
    untrained, inputs = adapted(dash), dot_inputs()
    assert (untrained(*inputs) == 0).all()
    dot = trained(adapted(dash))
    with torch.inference_mode():
        residual, merged = dot(*inputs), merge_lora(dot)(*inputs)
    torch.testing.assert_close(merged, residual, rtol=1e-4, atol=1e-5)
    adapters = {name.split(".lora_")[0] for name, _ in dot.trunk.named_parameters() if "lora_" in name}
    assert any("downsamplers.0.conv_shortcut" in name for name in adapters)


def test_every_input_counts(dash):
    dot, inputs = trained(adapted(dash)), dot_inputs()
    with torch.no_grad():
        dot.scale.table.fill_(1.0)  # the scale depends on the times too
        residual = dot(*inputs)
        for index, value in enumerate(inputs):
            other = [*inputs[:index], value * 0.9, *inputs[index + 1 :]]
            assert (dot(*other) - residual).abs().max() > 1e-5, index


def test_images_of_a_batch_do_not_mix(dash):
    dot, inputs = trained(adapted(dash)), dot_inputs(batch=3)
    with torch.no_grad():
        torch.testing.assert_close(dot(*(value[1:2] for value in inputs)), dot(*inputs)[1:2], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("height", "width"), [(12, 16), (16, 20)])
def test_images_that_do_not_halve_evenly_raise_one_line(dash, height, width):
    x = torch.zeros(1, 1, height, width)
    with pytest.raises(
        ValueError, match=rf"halves images 3 times: \({height}, {width}\) is not divisible by 8"
    ) as error:
        Dot(dash.network, (4, 8), dash.schedule)(x, x, x, torch.tensor([9.0]), torch.tensor([1.0]))
    assert "\n" not in str(error.value)


def test_own_state_holds_what_is_trained_and_the_scale(dash):
    dot = adapted(dash)
    expected = {name for name, p in dot.named_parameters() if p.requires_grad} | {"scale.table"}
    assert set(own_state(dot)) == expected
    of_dash = storages(dash.network)
    assert not any(value.data_ptr() in of_dash for value in own_state(dot).values())


def test_own_state_restores_the_output(dash):
    dot, other = trained(adapted(dash)), adapted(dash)
    shake(other.conv_in, 8)
    missing, unexpected = other.load_state_dict(own_state(dot), strict=False)
    of_dash = storages(dash.network)
    assert unexpected == [] and all(other.get_parameter(name).data_ptr() in of_dash for name in missing)
    assert torch.equal(other(*dot_inputs()), dot(*dot_inputs()))


def filled_scale():
    scale = ResidualScale(1000)
    scale.table.copy_(torch.rand(scale.table.shape, generator=torch.Generator().manual_seed(0)) + 0.1)
    return scale


def at(scale, row, column):
    """The scale at a place of the table, in cells; the gap's axis is logarithmic."""
    s = torch.tensor([100.0 * row])
    return scale(s, s - 1000.0 ** (column / 10)).item()


def test_scale_is_one_before_calibration():
    s, t = 999 * torch.rand(2, 50, generator=torch.Generator().manual_seed(0)).sort(dim=0, descending=True).values
    torch.testing.assert_close(ResidualScale(1000)(s, t), torch.ones(50))


def test_scale_has_the_table_s_values_at_the_centres_of_cells():
    scale = filled_scale()
    for row in range(10):
        for column in range(10):
            assert at(scale, row + 0.5, column + 0.5) == pytest.approx(scale.table[row, column].item(), rel=1e-3)


def test_scale_is_bilinear_between_centres():
    scale = filled_scale()
    corners = scale.table[4:6, 7:9].double()
    assert at(scale, 5.0, 7.5) == pytest.approx(corners[:, 0].mean().item(), rel=1e-3)
    assert at(scale, 4.5, 7.75) == pytest.approx((0.75 * corners[0, 0] + 0.25 * corners[0, 1]).item(), rel=1e-3)
    assert at(scale, 5.0, 8.0) == pytest.approx(corners.mean().item(), rel=1e-3)


def test_scale_is_clamped_outside_the_centres():
    scale = filled_scale()
    assert at(scale, 0.1, 0.0) == pytest.approx(scale.table[0, 0].item(), rel=1e-5)
    assert at(scale, 9.99, 9.9) == pytest.approx(scale.table[9, 9].item(), rel=1e-5)
    s = torch.tensor([450.0])
    assert scale(s, s - 0.01).item() == scale(s, s - 1.0).item() == pytest.approx(scale.table[4, 0].item(), rel=1e-5)


def test_scale_multiplies_dot_s_output(dash):
    dot, inputs = trained(adapted(dash)), dot_inputs()
    with torch.no_grad():
        residual = dot(*inputs)
        factor = dot.scale(*inputs[3:])
        dot.scale.table.fill_(1.0)
        torch.testing.assert_close(residual, factor[:, None, None, None] * dot(*inputs))


def test_half_of_the_pair_s_embedding_is_dash_s(dash):
    dot = Dot(dash.network, (4, 8), dash.schedule)
    s, t = torch.tensor([600.0, 20.0]), torch.tensor([500.0, 3.0])
    features = dot.trunk.time_proj(torch.stack([t, s]))
    assert features.shape == (2, 2 * dash.network.time_embedding.linear_1.in_features)
    of_t = dash.network.time_embedding(dash.network.time_proj(t))
    assert torch.equal(dot.trunk.time_embedding(features), of_t)
    assert math.isclose(features[0, 0].item(), math.sin(500.0), abs_tol=1e-4)


def with_memory(dash, **options):
    dot = Dot(dash.network, (4, 8), dash.schedule, memory=1, **options)
    attach_lora(dot, 2)
    return dot


def test_before_training_memory_gives_the_line(dash):
    x_s, x_t, eps_s, s, t = dot_inputs()
    eps_before, dot = dot_inputs(seed=1)[2], with_memory(dash)
    with torch.no_grad():
        found = dot(x_s, x_t, eps_s, s, t, eps_before, s + 80.0)
    share = ((s - t) / 80.0)[:, None, None, None]
    torch.testing.assert_close(found, share * (eps_s - eps_before))


def test_without_an_estimate_before_memory_changes_nothing(dash):
    """A Dot with memory has the weights of one without, and some more that then see zeros."""
    dot, plain = trained(with_memory(dash)), adapted(dash)
    width = 2 * dash.network.time_embedding.linear_1.in_features
    with torch.no_grad():
        dot.time_embedding.linear_1.weight[:, width:] = 0.0  # of the timestep before
    state = dot.state_dict()
    state["conv_in.weight"] = state["conv_in.weight"][:, :3]
    state["time_embedding.linear_1.weight"] = state["time_embedding.linear_1.weight"][:, :width]
    plain.load_state_dict({name: state[name] for name in plain.state_dict()})
    x_s, x_t, eps_s, s, t = dot_inputs()
    with torch.no_grad():
        assert torch.equal(dot(x_s, x_t, eps_s, s, t, eps_s, s), plain(x_s, x_t, eps_s, s, t))
        assert not torch.equal(dot(x_s, x_t, eps_s, s, t, 0.9 * eps_s, s + 50.0), plain(x_s, x_t, eps_s, s, t))


def test_every_input_of_memory_counts_and_is_trained(dash):
    dot, inputs = trained(with_memory(dash)), (*dot_inputs(), dot_inputs(seed=1)[2], dot_inputs()[3] + 60.0)
    residual = dot(*inputs)
    for index, value in enumerate(inputs):
        other = [*inputs[:index], value * 0.9, *inputs[index + 1 :]]
        if index == 6:  # a timestep before that is still before
            other[6] = value + 20.0
        assert (dot(*other) - residual).abs().max() > 1e-5, index
    (residual - 1.0).square().mean().backward()
    assert dot.line_weight.weight.grad.abs().max() > 0 and dot.line_weight.bias.grad.abs().max() > 0
    with torch.no_grad():
        torch.testing.assert_close(merge_lora(dot)(*inputs), residual, rtol=1e-4, atol=1e-5)


def test_the_line_keeps_the_digits_of_its_estimates(dash):
    """In half precision the difference of two estimates would have no digits left."""
    dot = with_memory(dash).to(torch.bfloat16)
    x_s, x_t, eps_s, s, t = dot_inputs()
    dot.levels.float(), dot.scale.float()
    eps_before = eps_s + 1e-4 * dot_inputs(seed=1)[2]
    with torch.no_grad():
        found = dot(x_s, x_t, eps_s, s, t, eps_before, s + 100.0)
    expected = ((s - t) / 100.0)[:, None, None, None] * (eps_s - eps_before)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-8)
