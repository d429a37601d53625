"""From a tiny card to trained, prepared and loaded networks, and what is refused on the way."""

import json
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from networks import dot_inputs, tiny_card, tiny_images
from safetensors.torch import load_file, save_file

from morse.dash import training as dash_training
from morse.dash.loading import build_dash, load_dash
from morse.dash.training import train_dash
from morse.data.archive import Split
from morse.data.pixels import to_network
from morse.dot import training as dot_training
from morse.dot.loading import adapted_dot, load_dot, prepare_dot
from morse.dot.lora import merge_lora, own_state
from morse.dot.training import train_dot
from morse.files import DamagedFile, sha256
from morse.quality.extractors.fashion_classifier import SmallClassifier, train_classifier

CARD = tiny_card()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folder of a whole training: dash, dot, prepared (all .safetensors), and what the trainings returned."""
    folder = tmp_path_factory.mktemp("zoo")
    images = tiny_images()
    dash = train_dash(CARD, images, folder / "dash.safetensors")
    dot = train_dot(CARD, folder / "dash.safetensors", images, folder / "dot.safetensors")
    prepare_dot(CARD, folder / "dash.safetensors", folder / "dot.safetensors", folder / "prepared.safetensors", dot["sha256"])
    (folder / "made.json").write_text(json.dumps({"dash": dash, "dot": dot}))
    return folder


@pytest.fixture
def copied(made, tmp_path):
    """A copy of the folder that a test may damage."""
    return shutil.copytree(made, tmp_path / "copied")


def load(folder):
    dash = load_dash(CARD, folder / "dash.safetensors")
    return dash, load_dot(CARD, dash, folder / "prepared.safetensors")


def damaged(message, call, *arguments):
    """``call`` raises one line with ``message``."""
    with pytest.raises(DamagedFile, match=message) as error:
        call(*arguments)
    assert "\n" not in str(error.value)


def test_trainings_say_what_they_made(made):
    for name, records in json.loads((made / "made.json").read_text()).items():
        assert records["sha256"] == sha256(made / f"{name}.safetensors")
        assert records["steps"] == 6 and records["loss"] > 0 and records["seconds"] > 0
        assert records["recipe"]["train"]["seed"] == 0
    assert {path.suffix for path in made.iterdir()} == {".safetensors", ".json"}  # no resume point is left


def test_training_changes_weights(made):
    torch.manual_seed(CARD["training"]["train"]["seed"])
    start, end = build_dash(CARD).network.state_dict(), load_file(made / "dash.safetensors")
    assert set(start) == set(end)
    assert all(not torch.equal(start[name], end[name]) for name in start if name.endswith("weight"))


def test_a_second_training_gives_the_same_bytes(made, tmp_path):
    torch.manual_seed(99)  # the outcome depends on the recipe's seed, not on what ran before
    train_dash(CARD, tiny_images(), tmp_path / "dash.safetensors")
    torch.manual_seed(99)
    train_dot(CARD, tmp_path / "dash.safetensors", tiny_images(), tmp_path / "dot.safetensors")
    for name in ("dash", "dot"):
        assert sha256(tmp_path / f"{name}.safetensors") == sha256(made / f"{name}.safetensors")


def test_loaded_weights_are_the_file_s_and_frozen(made):
    dash, dot = load(made)
    for network, name in ((dash.network, "dash"), (dot, "prepared")):
        written = load_file(made / f"{name}.safetensors")
        assert set(written) == set(network.state_dict())
        assert all(torch.equal(value, network.state_dict()[key]) for key, value in written.items())
        assert not network.training and not any(p.requires_grad for p in network.parameters())


def test_on_a_cpu_convolutions_have_their_channels_last(made):
    dash, dot = load(made)
    for network in (dash.network, dot):
        kernels = [m.weight for m in network.modules() if isinstance(m, torch.nn.Conv2d)]
        assert all(kernel.is_contiguous(memory_format=torch.channels_last) for kernel in kernels) and kernels
    fresh = build_dash(CARD)
    fresh.network.load_state_dict(load_file(made / "dash.safetensors"))
    x, t = dot_inputs()[1], dot_inputs()[4]
    with torch.inference_mode():
        torch.testing.assert_close(dash(x, t), fresh(x, t), rtol=1e-4, atol=1e-5)


def test_dot_s_file_has_its_own_weights_only_and_they_restore_it(made):
    dash, prepared = load(made)
    dot, state = adapted_dot(CARD, dash), load_file(made / "dot.safetensors")
    assert set(state) == set(own_state(dot))
    dot.load_state_dict(state, strict=False)
    with torch.inference_mode():
        residual = prepared(*dot_inputs())
        merged = merge_lora(dot)
        assert all(torch.equal(value, prepared.state_dict()[key]) for key, value in merged.state_dict().items())
        torch.testing.assert_close(merged(*dot_inputs()), residual, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(dot.eval()(*dot_inputs()), residual, rtol=1e-4, atol=1e-5)
    assert residual.abs().max() > 0 and not torch.equal(dot.scale.table, torch.ones(10, 10))


def test_without_normalisation_the_scale_stays_one(made, tmp_path):
    card = tiny_card(dot={"training": {"chain": {"chains": 2, "normalise": False}, "train": CARD["dot"]["training"]["train"]}})
    train_dot(card, made / "dash.safetensors", tiny_images(), tmp_path / "dot.safetensors")
    assert torch.equal(load_file(tmp_path / "dot.safetensors")["scale.table"], torch.ones(10, 10))


@contextmanager
def killed(monkeypatch, module, name):
    """The next loss made by ``module.name`` raises at step 5, one step after a resume point."""
    make = getattr(module, name)

    def loss_of(*arguments):
        loss = make(*arguments)

        def call(step, rng):
            if step == 5:
                raise KeyboardInterrupt
            return loss(step, rng)

        return call

    with monkeypatch.context() as patch:
        patch.setattr(module, name, loss_of)
        yield


def interrupted_dot(monkeypatch, folder):
    with killed(monkeypatch, dot_training, "dot_loss"), pytest.raises(KeyboardInterrupt):
        train_dot(CARD, folder / "dash.safetensors", tiny_images(), folder / "again.safetensors")
    assert (folder / "again.resume").exists() and not (folder / "again.safetensors").exists()


def test_a_killed_training_of_dash_ends_the_same(made, tmp_path, monkeypatch):
    with killed(monkeypatch, dash_training, "dash_loss"), pytest.raises(KeyboardInterrupt):
        train_dash(CARD, tiny_images(), tmp_path / "dash.safetensors")
    assert (tmp_path / "dash.resume").exists()
    train_dash(CARD, tiny_images(), tmp_path / "dash.safetensors")
    assert sha256(tmp_path / "dash.safetensors") == sha256(made / "dash.safetensors")


def test_a_killed_training_of_dot_ends_the_same(copied, monkeypatch):
    interrupted_dot(monkeypatch, copied)
    monkeypatch.setattr(dot_training, "calibrate_scale", lambda *_: pytest.fail("the scale is in the resume point"))
    train_dot(CARD, copied / "dash.safetensors", tiny_images(), copied / "again.safetensors")
    assert sha256(copied / "again.safetensors") == sha256(copied / "dot.safetensors")


def test_dot_does_not_go_on_with_another_dash_or_recipe(copied, monkeypatch):
    interrupted_dot(monkeypatch, copied)
    other = tiny_card(dot={"training": {**CARD["dot"]["training"], "chain": {"chains": 2, "points": 2}}})
    with pytest.raises(ValueError, match=r"again\.resume was made with another recipe; delete it"):
        train_dot(other, copied / "dash.safetensors", tiny_images(), copied / "again.safetensors")
    plain = tiny_card(dot={**CARD["dot"], "preconditioned": False})
    with pytest.raises(ValueError, match=r"again\.resume was made with another dot; delete it"):
        train_dot(plain, copied / "dash.safetensors", tiny_images(), copied / "again.safetensors")
    change_weights(copied / "dash.safetensors")
    with pytest.raises(ValueError, match=r"again\.resume was made with another dash; delete it"):
        train_dot(CARD, copied / "dash.safetensors", tiny_images(), copied / "again.safetensors")


def change_weights(path):
    save_file({name: value * 1.5 for name, value in load_file(path).items()}, path)


def test_a_file_s_hash_is_checked(made):
    path = made / "dash.safetensors"
    load_dash(CARD, path, sha256(path))
    damaged(r"Dash weights .*dash\.safetensors is damaged: sha256 .*expected 00000", load_dash, CARD, path, "0" * 64)
    arguments = (made / "dash.safetensors", made / "dot.safetensors", made / "new.safetensors", "0" * 64)
    damaged(r"Dot weights .*dot\.safetensors is damaged", prepare_dot, CARD, *arguments)
    assert not (made / "new.safetensors").exists()


def uses(folder):
    """File -> a call that reads it."""
    dash, dot, prepared = (folder / f"{name}.safetensors" for name in ("dash", "dot", "prepared"))
    return {
        dash: lambda: load_dash(CARD, dash),
        dot: lambda: prepare_dot(CARD, dash, dot, folder / "new.safetensors"),
        prepared: lambda: load_dot(CARD, build_dash(CARD), prepared),
    }


def test_a_missing_file_is_named(copied):
    for path, use in uses(copied).items():
        content = path.read_bytes()
        path.unlink()
        damaged(f"{path} is missing", use)
        path.write_bytes(content)


def test_a_truncated_file_is_named(copied):
    for path, use in uses(copied).items():
        content = path.read_bytes()
        for length in (0, 5, 1000, len(content) - 1):
            path.write_bytes(content[:length])
            damaged(f"weights {path} cannot be read", use)
        path.write_bytes(content)


def test_weights_of_another_network_are_named(copied):
    for path, use in uses(copied).items():
        state = load_file(path)
        name = sorted(state)[0]
        less = {key: value for key, value in state.items() if key != name}
        for other in (less, state | {"a": torch.zeros(1)}, state | {name: torch.zeros(3, 3)}):
            save_file(other, path, {"made_for": json.dumps({"dash": sha256(copied / "dash.safetensors")})} if path.stem == "dot" else None)
            damaged(f"weights {path} belong to another network: (a|{name}) and 0 more do not fit; check the card", use)
        save_file(state, path)


def test_a_dot_of_another_dash_is_refused(copied):
    dash, dot, output = (copied / f"{name}.safetensors" for name in ("dash", "dot", "new"))
    change_weights(dash)
    damaged(rf"{dot} were trained on Dash [0-9a-f]{{12}}\.\.\., not {sha256(dash)[:12]}\.\.\.", prepare_dot, CARD, dash, dot, output)
    save_file(load_file(dot), dot)
    damaged(rf"{dot} were trained on Dash None", prepare_dot, CARD, dash, dot, output)
    assert not output.exists()


def test_a_dot_of_another_form_is_refused(copied):
    """Its tensors have the same shapes."""
    dash, dot, output = (copied / f"{name}.safetensors" for name in ("dash", "dot", "new"))
    plain = tiny_card(dot={**CARD["dot"], "preconditioned": False})
    damaged("are of a Dot with preconditioned=True, not preconditioned=False; mend the card", prepare_dot, plain, dash, dot, output)
    assert not output.exists()


def test_the_classifier_learns_and_its_file_restores_it(tmp_path):
    rng = np.random.default_rng(0)
    labels = np.arange(24, dtype=np.uint8) % 2
    data = Split(rng.integers(0, 50, (24, 1, 32, 32), dtype=np.uint8) + 200 * labels[:, None, None, None], labels, "shades")
    recipe = {"batch_size": 16, "train": {"steps": 12, "learning_rate": 0.003, "warmup": 1, "ema_decay": 0.5, "seed": 0}}
    made = train_classifier(recipe, data, data, tmp_path / "weights.safetensors")
    assert made["accuracy"] == 1.0 and made["recipe"] == recipe and made["sha256"] == sha256(tmp_path / "weights.safetensors")
    network = SmallClassifier()
    network.load_state_dict(load_file(tmp_path / "weights.safetensors"))
    with torch.inference_mode():
        assert (network(to_network(data.images)).argmax(1).numpy() == labels).all()


def test_an_unknown_setting_of_a_schedule_is_named():
    with pytest.raises(ValueError, match="unknown setting of schedule vp-sde 'beta_mni'; did you mean 'beta_min'"):
        build_dash(CARD | {"schedule": {"name": "vp-sde", "beta_mni": 0.1}})


def test_an_unknown_family_or_schedule_is_named():
    with pytest.raises(KeyError, match="unknown Dash family 'ddpn'; did you mean 'ddpm'"):
        build_dash(CARD | {"family": "ddpn"})
    with pytest.raises(KeyError, match="unknown noise schedule 'linera'"):
        build_dash(CARD | {"schedule": {"name": "linera"}})


def test_loading_for_sampling_imports_no_peft(made, tmp_path):
    (tmp_path / "card.json").write_text(json.dumps(CARD))
    code = f"""
import json, sys
from morse.runtime import light_import
light_import.import_unet()
import morse.dash.loading, morse.dot.loading
heavy = {{"peft", "torchvision", "transformers", "accelerate", "scipy", "snakemake", "matplotlib", "torch._dynamo"}}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
card = json.load(open({str(tmp_path / "card.json")!r}))
dash = morse.dash.loading.load_dash(card, {str(made / "dash.safetensors")!r})
morse.dot.loading.load_dot(card, dash, {str(made / "prepared.safetensors")!r})
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""
    found = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[1], capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
