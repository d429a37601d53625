"""The training loop on a toy: resuming, averaging, the learning rate, the precision."""

import math
import subprocess
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch import nn

from morse.training.loop import TrainSettings, train


class Toy(nn.Module):
    """One trained layer, one frozen, one buffer that the loss changes."""

    def __init__(self, width=3):
        super().__init__()
        self.layer = nn.Linear(width, width)
        self.frozen = nn.Linear(width, width).requires_grad_(False)
        self.register_buffer("seen", torch.zeros(()))


def toy(width=3):
    torch.manual_seed(0)
    return Toy(width)


def loss_of(module, killed_at=None, log=None):
    def loss(step, rng):
        if step == killed_at:
            raise KeyboardInterrupt
        x = torch.randn((4, module.layer.in_features), generator=rng)
        module.seen += x.mean()
        if log is not None:
            log.append(step)
        return (module.layer(x) - module.frozen(x)).square().mean()

    return loss


SETTINGS = TrainSettings(
    steps=12, learning_rate=0.05, warmup=3, ema_decay=0.9, weight_decay=0.01, precision="float32", checkpoint_every=4
)


@pytest.mark.parametrize(("killed_at", "resumed_at"), [(2, 0), (4, 4), (10, 8), (11, 8)])
def test_a_killed_training_ends_bit_for_bit_like_an_uninterrupted_one(tmp_path, killed_at, resumed_at):
    whole, halted, resumed, log = toy(), toy(), toy(), []
    train(whole, loss_of(whole), SETTINGS)
    with pytest.raises(KeyboardInterrupt):
        train(halted, loss_of(halted, killed_at), SETTINGS, tmp_path / "r.resume")
    with torch.no_grad():
        resumed.layer.weight += 1.0 if resumed_at else 0.0  # the start is not read again
    train(resumed, loss_of(resumed, log=log), SETTINGS, tmp_path / "r.resume")
    assert log == list(range(resumed_at, 12))
    assert all(torch.equal(value, resumed.state_dict()[name]) for name, value in whole.state_dict().items())
    assert list(tmp_path.iterdir()) == []  # the resume point is gone


def interrupted(path, settings=SETTINGS):
    module = toy()
    with pytest.raises(KeyboardInterrupt):
        train(module, loss_of(module, 5), settings, path)
    assert path.exists()


def test_a_resume_point_of_other_settings_is_refused(tmp_path):
    interrupted(path := tmp_path / "r.resume")
    other = replace(SETTINGS, seed=1, learning_rate=0.1)
    with pytest.raises(ValueError, match=r"another learning_rate \(0\.05, now 0\.1\), seed \(0, now 1\);") as error:
        train(toy(), loss_of(toy()), other, path)
    starts_again_by_the_command_in(error, path)


def test_a_change_inside_a_recipe_is_told_with_both_values(tmp_path):
    module, path = toy(), tmp_path / "r.resume"
    recipe = {"data": "shapes", "chain": {"chains": 2, "steps": 3}}
    with pytest.raises(KeyboardInterrupt):
        train(module, loss_of(module, 5), SETTINGS, path, made_of={"recipe": recipe, "dash": "aa"})
    changed = {"recipe": {"data": "shapes", "chain": {"chains": 4, "steps": 3}}, "dash": "bb"}
    with pytest.raises(ValueError, match=r"another dash \(aa, now bb\), recipe: chain: chains \(2, now 4\); to start"):
        train(toy(), loss_of(toy()), SETTINGS, path, made_of=changed)


@pytest.mark.parametrize("content", [{"step": 3, "model": {}}, [1, 2]])
def test_a_resume_point_of_another_version_is_refused(tmp_path, content):
    path = tmp_path / "r.resume"
    torch.save(content, path)
    with pytest.raises(ValueError, match="another version of the library and lacks a") as error:
        train(toy(), loss_of(toy()), SETTINGS, path)
    starts_again_by_the_command_in(error, path)


def starts_again_by_the_command_in(error, path):
    message = str(error.value)
    assert "\n" not in message and str(path) in message
    command = message.split("to start again: ")[1].removesuffix(", then run again")
    subprocess.run(command, shell=True, check=True)
    log = []
    module = toy()
    train(module, loss_of(module, log=log), SETTINGS, path)
    assert log[0] == 0


def test_a_resume_point_of_a_gpu_is_read_on_a_machine_without_one(tmp_path, monkeypatch):
    interrupted(path := tmp_path / "r.resume")
    load, module = torch.load, toy()
    monkeypatch.setattr(
        torch,
        "load",
        lambda *given, map_location=None, **rest: load(
            *given, map_location=map_location or pytest.fail("to where it was saved"), **rest
        ),
    )
    train(module, loss_of(module), SETTINGS, path)


def test_seconds_before_a_resume_point_count(tmp_path):
    interrupted(path := tmp_path / "r.resume")
    state = torch.load(path, weights_only=True)
    torch.save(state | {"seconds": 1000.0}, path)
    module = toy()
    assert 1000 < train(module, loss_of(module), SETTINGS, path)["seconds"] < 1100


@pytest.mark.parametrize("network", [nn.Sequential(nn.Linear(3, 3)), toy(width=4)])
def test_a_resume_point_of_another_network_is_refused(tmp_path, network):
    interrupted(path := tmp_path / "r.resume")
    with pytest.raises(ValueError, match=r"r\.resume belongs to another network; to start again") as error:
        train(network, loss_of(toy()), SETTINGS, path)
    starts_again_by_the_command_in(error, path)


def test_a_damaged_resume_point_is_refused(tmp_path):
    interrupted(path := tmp_path / "r.resume")
    for content in (path.read_bytes()[:200], b"", b"nothing"):
        path.write_bytes(content)
        with pytest.raises(RuntimeError, match=r"r\.resume cannot be read") as error:
            train(toy(), loss_of(toy()), SETTINGS, path)
        starts_again_by_the_command_in(error, path)


def test_averaged_weights_are_left_in_the_module():
    module = nn.Linear(1, 1, bias=False)
    nn.init.constant_(module.weight, 2.0)
    weights = []

    def loss(step, rng):
        weights.append(module.weight.item())
        return module.weight.sum()

    train(module, loss, TrainSettings(steps=40, learning_rate=0.1, warmup=0, ema_decay=0.7, precision="float32"))
    reached = [*weights[1:], weights[-1]]  # after the last step, whose rate is all but zero
    average = 2.0
    for step, weight in enumerate(reached):
        decay = min(0.7, (1 + step) / (10 + step))
        average = decay * average + (1 - decay) * weight
    assert module.weight.item() == pytest.approx(average, abs=2e-3)
    assert abs(module.weight.item() - weights[-1]) > 0.005 and not module.training


def test_one_step_moves_by_the_learning_rate():
    module = nn.Linear(1, 1, bias=False)
    nn.init.constant_(module.weight, 2.0)
    settings = TrainSettings(steps=1, learning_rate=0.3, warmup=1, ema_decay=0.999, precision="float32")
    train(module, lambda step, rng: 5 * module.weight.sum(), settings)
    assert module.weight.item() == pytest.approx(
        2.0 - 0.9 * 0.3, abs=1e-5
    )  # Adam's first step is the rate; EMA keeps a tenth


def test_learning_rate_rises_then_falls_to_zero():
    settings = TrainSettings(steps=1000, learning_rate=0.2, warmup=10)
    rates = [settings.rate(step) for step in range(1000)]
    assert rates[0] == pytest.approx(0.02) and rates[9] == rates[10] == pytest.approx(0.2)
    assert max(rates) == pytest.approx(0.2) and all(a > b for a, b in pairwise(rates[10:]))
    assert settings.rate(505) == pytest.approx(0.1) and 0 < rates[-1] < 1e-5
    assert TrainSettings(steps=5, warmup=0).rate(0) == TrainSettings(steps=5).learning_rate


def test_a_loss_that_is_not_finite_stops_with_one_line():
    module = toy()

    def loss(step, rng):
        return module.layer.weight.sum() * (math.nan if step == 2 else 1.0)

    with pytest.raises(FloatingPointError, match=r"^Dot: the loss is nan at step 2; lower learning_rate$"):
        train(module, loss, SETTINGS, progress="Dot")


def test_frozen_parameters_are_untouched():
    module = toy()
    before = {name: p.clone() for name, p in module.named_parameters()}
    train(module, loss_of(module), SETTINGS)
    assert torch.equal(module.frozen.weight, before["frozen.weight"]) and torch.equal(
        module.frozen.bias, before["frozen.bias"]
    )
    assert not torch.equal(module.layer.weight, before["layer.weight"])


def test_gradients_are_clipped_together():
    steps = {}
    for size in (1.0, 1e6):
        module = toy()
        seen = []
        module.layer.weight.register_post_accumulate_grad_hook(lambda p, seen=seen: seen.append(p))
        settings = TrainSettings(steps=1, grad_clip=0.5, precision="float32")
        train(module, lambda step, rng, m=module, k=size: k * m.layer.weight.square().sum(), settings)
        steps[size] = seen[0].grad.norm().item()
    assert steps[1e6] == pytest.approx(0.5, rel=1e-3)


def test_what_is_returned_is_the_loss_of_the_last_tenth():
    module = toy()
    record = train(module, lambda step, rng: 0 * module.layer.weight.sum() + step, TrainSettings(steps=40))
    assert (record["steps"], record["loss"]) == (40, pytest.approx((36 + 37 + 38 + 39) / 4))
    assert record["seconds"] > 0


def precision_of(settings):
    """What a training says that its precision was, and the type that the layer's output had."""
    module, seen = toy(), set()

    def loss(step, rng):
        out = module.layer(torch.ones(2, 3))
        seen.add(out.dtype)
        return out.float().square().mean()

    record = train(module, loss, settings)
    assert module.layer.weight.dtype == torch.float32
    return record["precision"], *seen


@pytest.mark.parametrize(("precision", "dtype"), [("float32", torch.float32), ("bfloat16", torch.bfloat16)])
def test_precision_is_autocast_s(precision, dtype):
    assert precision_of(TrainSettings(steps=2, precision=precision)) == (precision, dtype)


def with_flags(monkeypatch, *flags):
    monkeypatch.setattr("morse.runtime.device.processor_flags", lambda: frozenset(flags))


@pytest.mark.parametrize(
    ("flags", "precision", "dtype"),
    [
        (("avx2", "avx512f"), "float32", torch.float32),
        (("avx2", "avx512_bf16"), "bfloat16", torch.bfloat16),
        (("amx_bf16",), "bfloat16", torch.bfloat16),
    ],
)
def test_the_precision_auto_is_the_one_that_the_processor_is_fast_in(monkeypatch, flags, precision, dtype):
    with_flags(monkeypatch, *flags)
    assert TrainSettings(steps=2).precision == "auto"
    assert precision_of(TrainSettings(steps=2)) == (precision, dtype)


def test_a_stated_precision_does_not_depend_on_the_processor(monkeypatch):
    with_flags(monkeypatch, "avx512_bf16")
    assert precision_of(TrainSettings(steps=2, precision="float32")) == ("float32", torch.float32)


def test_a_resume_point_of_another_precision_is_refused(tmp_path, monkeypatch):
    """The same settings, on another processor. The precision that they come to is what counts."""
    path, auto = tmp_path / "r.resume", replace(SETTINGS, precision="auto")
    with_flags(monkeypatch, "avx512_bf16")
    interrupted(path, settings=auto)
    with_flags(monkeypatch)
    with pytest.raises(ValueError, match=r"another precision \(bfloat16, now float32\); to start"):
        train(toy(), loss_of(toy()), auto, path)
    with_flags(monkeypatch, "amx_bf16")
    module = toy()
    assert train(module, loss_of(module), replace(auto, precision="bfloat16"), path)["precision"] == "bfloat16"


def in_parts(module, parts, log=None):
    """The loss of :func:`loss_of` without its buffer, in several parts of its batch."""

    def loss(step, rng):
        x = torch.randn((12, module.layer.in_features), generator=rng)
        for part in x.chunk(parts):
            if log is not None:
                log.append(None if module.layer.weight.grad is None else module.layer.weight.grad.clone())
            yield (module.layer(part) - module.frozen(part)).square().sum() / x.numel()

    return loss


def test_a_step_in_parts_is_the_step_as_a_whole():
    whole, parted = toy(), toy()
    record, other = train(whole, in_parts(whole, 1), SETTINGS), train(parted, in_parts(parted, 3), SETTINGS)
    torch.testing.assert_close(parted.state_dict(), whole.state_dict(), rtol=0, atol=1e-6)
    assert other["loss"] == pytest.approx(record["loss"], abs=1e-6)
    scalar = toy()
    train(scalar, lambda step, rng: next(in_parts(scalar, 1)(step, rng)), SETTINGS)
    assert torch.equal(scalar.layer.weight, whole.layer.weight)


def test_each_part_is_differentiated_before_the_next():
    module, log = toy(), []
    train(module, in_parts(module, 3, log), replace(SETTINGS, steps=1))
    assert log[0] is None and log[1].any() and not torch.equal(log[1], log[2])


def test_parts_are_computed_in_the_training_s_precision():
    module, seen = toy(), []

    def loss(step, rng):
        for _ in range(2):
            seen.append(module.layer(torch.ones(2, 3)).dtype)
            yield module.layer(torch.ones(2, 3)).float().square().mean()

    train(module, loss, replace(SETTINGS, steps=1, precision="bfloat16"))
    assert seen == [torch.bfloat16] * 2


def test_a_step_without_a_part_has_no_loss_and_moves_nothing():
    """As in a process that has no pair of a step."""
    module = toy()
    before = module.layer.weight.clone()
    assert train(module, lambda step, rng: iter(()), replace(SETTINGS, weight_decay=0.0))["loss"] == 0
    assert torch.equal(module.layer.weight, before)


def test_dropout_is_resumed_too(tmp_path):
    def dropping(module, killed_at=None):
        def loss(step, rng):
            if step == killed_at:
                raise KeyboardInterrupt
            return nn.functional.dropout(module.layer(torch.ones(4, 3)), 0.5, module.training).square().mean()

        return loss

    whole, halted, resumed = toy(), toy(), toy()
    train(whole, dropping(whole), SETTINGS)
    with pytest.raises(KeyboardInterrupt):
        train(halted, dropping(halted, 6), SETTINGS, tmp_path / "r.resume")
    torch.rand(7)
    train(resumed, dropping(resumed), SETTINGS, tmp_path / "r.resume")
    assert torch.equal(resumed.layer.weight, whole.layer.weight)
