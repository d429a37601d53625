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
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from morse.dash import training as dash_training
from morse.dash.loading import build_dash, load_dash
from morse.dash.training import train_dash
from morse.data.archive import Split
from morse.data.pixels import to_network
from morse.dot import training as dot_training
from morse.dot.loading import adapted_dot, load_dot, own_parameters, prepare_dot
from morse.dot.lora import merge_lora, own_state
from morse.dot.training import train_dot
from morse.experiments.cards import read_card
from morse.files import DamagedFile, sha256
from morse.quality.extractors.fashion_classifier import SmallClassifier, train_classifier

CARD = tiny_card()


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    """The folder of a whole training: dash, dot and prepared (.safetensors), and the records."""
    folder = tmp_path_factory.mktemp("zoo")
    images = tiny_images()
    dash = train_dash(CARD, images, folder / "dash.safetensors")
    dot = train_dot(CARD, folder / "dash.safetensors", images, folder / "dot.safetensors")
    trained = load_dash(CARD, folder / "dash.safetensors")
    prepare_dot(CARD, trained, folder / "prepared.safetensors", folder / "dot.safetensors", dot["sha256"])
    (folder / "records.json").write_text(json.dumps({"dash": dash, "dot": dot}), encoding="utf-8")
    return folder


@pytest.fixture
def copied(zoo, tmp_path):
    """A copy of the folder that a test may damage."""
    return shutil.copytree(zoo, tmp_path / "copied")


def load(folder):
    dash = load_dash(CARD, folder / "dash.safetensors")
    return dash, load_dot(CARD, dash, folder / "prepared.safetensors")


def metadata_of(path):
    with safe_open(path, "pt") as file:
        return file.metadata()


def damaged(message, call, *arguments):
    """``call`` raises one line with ``message``."""
    with pytest.raises(DamagedFile, match=message) as error:
        call(*arguments)
    assert "\n" not in str(error.value)


def test_trainings_say_what_they_did(zoo):
    for name, record in json.loads((zoo / "records.json").read_text(encoding="utf-8")).items():
        assert record["sha256"] == sha256(zoo / f"{name}.safetensors")
        assert record["steps"] == 6 and record["loss"] > 0 and record["seconds"] > 0
        assert record["recipe"]["train"]["seed"] == 0 and record["precision"] == "float32"
    assert {path.suffix for path in zoo.iterdir()} == {".safetensors", ".json"}  # no resume point is left


def test_training_changes_weights(zoo):
    torch.manual_seed(CARD["training"]["train"]["seed"])
    start, end = build_dash(CARD).network.state_dict(), load_file(zoo / "dash.safetensors")
    assert set(start) == set(end)
    assert all(not torch.equal(start[name], end[name]) for name in start if name.endswith("weight"))


def test_a_second_training_gives_the_same_bytes(zoo, tmp_path):
    torch.manual_seed(99)  # the outcome depends on the recipe's seed, not on what ran before
    train_dash(CARD, tiny_images(), tmp_path / "dash.safetensors")
    torch.manual_seed(99)
    train_dot(CARD, tmp_path / "dash.safetensors", tiny_images(), tmp_path / "dot.safetensors")
    for name in ("dash", "dot"):
        assert sha256(tmp_path / f"{name}.safetensors") == sha256(zoo / f"{name}.safetensors")


def test_loaded_weights_are_the_file_s_and_frozen(zoo):
    dash, dot = load(zoo)
    for network, name in ((dash.network, "dash"), (dot, "prepared")):
        written = load_file(zoo / f"{name}.safetensors")
        assert set(written) == set(network.state_dict())
        assert all(torch.equal(value, network.state_dict()[key]) for key, value in written.items())
        assert not network.training and not any(p.requires_grad for p in network.parameters())


def test_on_a_cpu_convolutions_have_their_channels_last(zoo):
    dash, dot = load(zoo)
    for network in (dash.network, dot):
        kernels = [m.weight for m in network.modules() if isinstance(m, torch.nn.Conv2d)]
        assert all(kernel.is_contiguous(memory_format=torch.channels_last) for kernel in kernels) and kernels
    fresh = build_dash(CARD)
    fresh.network.load_state_dict(load_file(zoo / "dash.safetensors"))
    x, t = dot_inputs()[1], dot_inputs()[4]
    with torch.inference_mode():
        torch.testing.assert_close(dash(x, t), fresh(x, t), rtol=1e-4, atol=1e-5)


def test_dot_s_file_has_its_own_weights_only_and_they_restore_it(zoo):
    dash, prepared = load(zoo)
    dot, state = adapted_dot(CARD, dash), load_file(zoo / "dot.safetensors")
    assert set(state) == set(own_state(dot))
    dot.load_state_dict(state, strict=False)
    with torch.inference_mode():
        residual = prepared(*dot_inputs())
        merged = merge_lora(dot)
        assert all(torch.equal(value, prepared.state_dict()[key]) for key, value in merged.state_dict().items())
        torch.testing.assert_close(merged(*dot_inputs()), residual, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(dot.eval()(*dot_inputs()), residual, rtol=1e-4, atol=1e-5)
    assert residual.abs().max() > 0 and not torch.equal(dot.scale.table, torch.ones(10, 10))


def test_a_trained_file_loads_as_its_prepared_one(zoo):
    """LoRA is merged on loading: the same bits, and frozen likewise."""
    dash, prepared = load(zoo)
    dot = load_dot(CARD, dash, zoo / "dot.safetensors")
    assert set(dot.state_dict()) == set(prepared.state_dict())
    assert all(torch.equal(value, prepared.state_dict()[name]) for name, value in dot.state_dict().items())
    assert not dot.training and not any(p.requires_grad for p in dot.parameters())
    with torch.inference_mode():
        assert torch.equal(dot(*dot_inputs()), prepared(*dot_inputs()))


def test_loading_a_dot_leaves_its_dash_as_it_was(zoo):
    dash, written = load_dash(CARD, zoo / "dash.safetensors"), load_file(zoo / "dash.safetensors")
    for name in ("dot", "prepared"):
        load_dot(CARD, dash, zoo / f"{name}.safetensors")
        assert set(dash.network.state_dict()) == set(written)
        assert all(torch.equal(value, written[key]) for key, value in dash.network.state_dict().items())


def test_a_loaded_dash_knows_the_hash_of_its_weights(zoo):
    path = zoo / "dash.safetensors"
    assert load_dash(CARD, path).weights == load_dash(CARD, path, sha256(path)).weights == sha256(path)
    assert build_dash(CARD).weights == ""


def test_a_loaded_dot_knows_the_nominal_ratio_of_its_card(zoo):
    dash, prepared = load_dash(CARD, zoo / "dash.safetensors"), zoo / "prepared.safetensors"
    assert load_dot(CARD, dash, prepared).ratio == 5.0
    assert load_dot(tiny_card(dot={"ratio": 7.5}), dash, prepared).ratio == 7.5


def with_files(zoo, name):
    """The card with the files of the folder, Dot's being the one of that name."""
    dash, dot = (
        {"file": str(zoo / f"{part}.safetensors"), "sha256": sha256(zoo / f"{part}.safetensors")}
        for part in ("dash", name)
    )
    return tiny_card(dot=dot) | {"dash": dash}


@pytest.mark.parametrize("name", ["dot", "prepared"])
def test_a_card_s_own_files_are_loaded_and_checked(copied, name):
    card = with_files(copied, name)
    dash = load_dash(card)
    assert dash.weights == card["dash"]["sha256"]
    with torch.inference_mode():
        assert torch.equal(load_dot(card, dash)(*dot_inputs()), load(copied)[1](*dot_inputs()))
    path = copied / f"{name}.safetensors"
    save_file({key: value * 1.5 for key, value in load_file(path).items()}, path, metadata_of(path))
    damaged(rf"Dot weights {path} is damaged: sha256", load_dot, card, dash)
    change_weights(copied / "dash.safetensors")
    damaged(r"Dash weights .*dash\.safetensors is damaged: sha256", load_dash, card)


def test_a_card_without_a_file_of_dot_is_one_line(zoo):
    with pytest.raises(ValueError, match="the model's card names no file of Dot; train one") as error:
        load_dot(CARD, load_dash(CARD, zoo / "dash.safetensors"))
    assert "\n" not in str(error.value)


def test_models_are_loaded_by_name():
    dash = load_dash("cifar10-vp-mini")
    card = read_card("model", "cifar10-vp-mini")
    assert (dash.weights, dash.shape) == (card["dash"]["sha256"], (1, 32, 32))
    assert load_dot("cifar10-vp-mini", dash).ratio == card["dot"]["ratio"]


def test_an_unknown_model_is_one_line_with_the_nearest_name():
    for call in (load_dash, lambda name: load_dot(name, build_dash(CARD))):
        with pytest.raises(ValueError, match="^unknown model 'cifar10-vp-mimi'; did you mean 'cifar10-vp-mini'\\?$"):
            call("cifar10-vp-mimi")


def test_own_parameters_are_those_that_training_changes(zoo):
    state = load_file(zoo / "dot.safetensors")
    assert own_parameters(CARD) == sum(value.numel() for name, value in state.items() if name != "scale.table")


def test_without_normalisation_the_scale_stays_one(zoo, tmp_path):
    card = tiny_card(dot={"training": {**CARD["dot"]["training"], "chain": {"chains": 2, "normalise": False}}})
    train_dot(card, zoo / "dash.safetensors", tiny_images(), tmp_path / "dot.safetensors")
    assert torch.equal(load_file(tmp_path / "dot.safetensors")["scale.table"], torch.ones(10, 10))


@contextmanager
def killed(monkeypatch, module, name):
    """The next loss of ``module.name`` raises at step 5, one step after a resume point."""
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


def test_a_killed_training_of_dash_ends_the_same(zoo, tmp_path, monkeypatch):
    with killed(monkeypatch, dash_training, "dash_loss"), pytest.raises(KeyboardInterrupt):
        train_dash(CARD, tiny_images(), tmp_path / "dash.safetensors")
    assert (tmp_path / "dash.resume").exists()
    train_dash(CARD, tiny_images(), tmp_path / "dash.safetensors")
    assert sha256(tmp_path / "dash.safetensors") == sha256(zoo / "dash.safetensors")


def test_a_killed_training_of_dot_ends_the_same(copied, monkeypatch):
    interrupted_dot(monkeypatch, copied)
    monkeypatch.setattr(dot_training, "calibrate_scale", lambda *_: pytest.fail("the scale is in the resume point"))
    train_dot(CARD, copied / "dash.safetensors", tiny_images(), copied / "again.safetensors")
    assert sha256(copied / "again.safetensors") == sha256(copied / "dot.safetensors")


def test_dot_does_not_go_on_with_another_dash_or_recipe(copied, monkeypatch):
    interrupted_dot(monkeypatch, copied)
    other = tiny_card(dot={"training": {**CARD["dot"]["training"], "chain": {"chains": 2, "points": 2}}})
    with pytest.raises(ValueError, match=r"again\.resume was made with another recipe"):
        train_dot(other, copied / "dash.safetensors", tiny_images(), copied / "again.safetensors")
    plain = tiny_card(dot={**CARD["dot"], "preconditioned": False})
    with pytest.raises(ValueError, match=r"again\.resume was made with another dot"):
        train_dot(plain, copied / "dash.safetensors", tiny_images(), copied / "again.safetensors")
    change_weights(copied / "dash.safetensors")
    with pytest.raises(ValueError, match=r"again\.resume was made with another dash"):
        train_dot(CARD, copied / "dash.safetensors", tiny_images(), copied / "again.safetensors")


def change_weights(path):
    save_file({name: value * 1.5 for name, value in load_file(path).items()}, path)


def test_a_file_s_hash_is_checked(zoo):
    path = zoo / "dash.safetensors"
    load_dash(CARD, path, sha256(path))
    damaged(r"Dash weights .*dash\.safetensors is damaged: sha256 .*expected 00000", load_dash, CARD, path, "0" * 64)
    arguments = (load_dash(CARD, path), zoo / "new.safetensors", zoo / "dot.safetensors", "0" * 64)
    damaged(r"Dot weights .*dot\.safetensors is damaged", prepare_dot, CARD, *arguments)
    assert not (zoo / "new.safetensors").exists()
    for name in ("dot", "prepared"):
        path = zoo / f"{name}.safetensors"
        load_dot(CARD, arguments[0], path, sha256(path))
        damaged(rf"Dot weights .*{name}\.safetensors is damaged", load_dot, CARD, arguments[0], path, "0" * 64)


def uses(folder):
    """File -> a call that reads it."""
    dash, dot, prepared = (folder / f"{name}.safetensors" for name in ("dash", "dot", "prepared"))
    return {
        dash: lambda: load_dash(CARD, dash),
        dot: lambda: prepare_dot(CARD, load_dash(CARD, dash), folder / "new.safetensors", dot),
        prepared: lambda: load_dot(CARD, load_dash(CARD, dash), prepared),
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
        state, metadata = load_file(path), metadata_of(path)
        name = sorted(state)[0]
        less = {key: value for key, value in state.items() if key != name}
        for other in (less, state | {"a": torch.zeros(1)}, state | {name: torch.zeros(3, 3)}):
            save_file(other, path, metadata)
            damaged(f"weights {path} belong to another network: (a|{name}) does not fit; check the card", use)
        save_file(state, path, metadata)


def test_a_dot_of_another_dash_is_refused(copied):
    dash, dot, prepared, output = (copied / f"{name}.safetensors" for name in ("dash", "dot", "prepared", "new"))
    change_weights(dash)
    other = load_dash(CARD, dash)
    trained_on = rf"were trained on Dash [0-9a-f]{{12}}\.\.\., not {sha256(dash)[:12]}\.\.\."
    damaged(f"{dot} {trained_on}", prepare_dot, CARD, other, output, dot)
    damaged(f"{dot} {trained_on}", load_dot, CARD, other, dot)
    damaged(f"{prepared} {trained_on}", load_dot, CARD, other, prepared)
    for path in (dot, prepared):
        save_file(load_file(path), path)  # without what it says of its Dash
        damaged(f"{path} were trained on Dash None", load_dot, CARD, other, path)
    assert not output.exists()


def test_a_dot_is_refused_by_random_weights(zoo):
    for name in ("dot", "prepared"):
        path = zoo / f"{name}.safetensors"
        damaged(
            rf"{path} were trained on Dash [0-9a-f]{{12}}\.\.\., not random weights",
            load_dot,
            CARD,
            build_dash(CARD),
            path,
        )


def test_a_dot_of_another_form_is_refused(copied):
    """Its tensors have the same shapes."""
    dash, dot, output = (copied / f"{name}.safetensors" for name in ("dash", "dot", "new"))
    plain = tiny_card(dot={**CARD["dot"], "preconditioned": False})
    message = "are of a Dot with preconditioned=True, not preconditioned=False; correct the card"
    damaged(message, prepare_dot, plain, load_dash(plain, dash), output, dot)
    damaged(message, load_dot, plain, load_dash(plain, dash), dot)
    assert not output.exists()


def test_the_classifier_learns_and_its_file_restores_it(tmp_path):
    rng = np.random.default_rng(0)
    labels = np.arange(24, dtype=np.uint8) % 2
    images = rng.integers(0, 50, (24, 1, 32, 32), dtype=np.uint8) + 200 * labels[:, None, None, None]
    data = Split(images, labels, "shades")
    train = {"steps": 12, "learning_rate": 0.003, "warmup": 1, "ema_decay": 0.5, "seed": 0, "precision": "float32"}
    recipe = {"batch_size": 16, "train": train}
    record = train_classifier(recipe, data, data, tmp_path / "weights.safetensors")
    assert record["accuracy"] == 1.0 and record["recipe"] == recipe
    assert record["sha256"] == sha256(tmp_path / "weights.safetensors")
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


def test_loading_for_sampling_imports_no_peft(zoo, tmp_path):
    (tmp_path / "card.json").write_text(json.dumps(CARD), encoding="utf-8")
    code = f"""
import json, sys
from morse.runtime import light_import
light_import.import_unet()
import morse.dash.loading, morse.dot.loading
heavy = {{"peft", "torchvision", "transformers", "accelerate", "scipy", "snakemake", "matplotlib", "torch._dynamo"}}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
card = json.load(open({str(tmp_path / "card.json")!r}))
dash = morse.dash.loading.load_dash(card, {str(zoo / "dash.safetensors")!r})
morse.dot.loading.load_dot(card, dash, {str(zoo / "prepared.safetensors")!r})
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[1], capture_output=True, encoding="utf-8"
    )
    assert found.returncode == 0, found.stderr
