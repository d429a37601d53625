"""Model cards -> networks, and networks -> the files that ship with their recipe's outcome.

A card (``config/models/*.yaml``) names the family, the network's settings, the schedule, the weights and how they were
trained. Files of Dot hold what Dot adds; they name the Dash weights they were trained on and load with no others.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from morse.dash import FAMILIES, Dash
from morse.data.archive import Split
from morse.dot.network import Dot, attach_lora, inference_dot, merge_lora, own_state
from morse.dot.chains import ChainSettings, ChainSource, calibrate_scale, dot_loss
from morse.runtime.execution import memory_format
from morse.quality.extractors.base import SmallClassifier
from morse.files import DamagedFile, require, sha256, write_atomically
from morse.dash.training import classifier_loss, dash_loss, to_network
from morse.schedules.noise import make_schedule
from morse.training.loop import TrainSettings, train

Card = Mapping[str, Any]


def build_dash(card: Card) -> Dash:
    """The card's Dash with random weights."""
    return FAMILIES[card["family"]](card["unet"], make_schedule(card["schedule"]))


def load_dash(card: Card, weights: Path | str, expected_sha256: str | None = None, device: torch.device | str = "cpu") -> Dash:
    """The card's Dash with weights from a safetensors file, frozen; its SHA-256 is checked unless None.

    Raises:
        DamagedFile: if the file is missing, has another hash, or holds other tensors.
    """
    dash = build_dash(card)
    dash.network.load_state_dict(_read(require(weights, expected_sha256, "Dash weights"), dash.network.state_dict()))
    _place(dash.network, device).requires_grad_(False)
    return dash


def _place(network: nn.Module, device: torch.device | str) -> nn.Module:
    """The network on a device, its weights in the layout that is fast there."""
    return network.to(device, memory_format=memory_format(device))


def _read(path: Path, like: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The file's tensors, whose names and shapes are those of ``like``."""
    try:
        state = load_file(path)
    except (SafetensorError, OSError) as error:
        raise DamagedFile(f"weights {path} cannot be read ({error}); restore or remake the file") from error
    shapes = {name: tuple(value.shape) for name, value in like.items()}
    if wrong := sorted(name for name in {*state, *shapes} if name not in state or shapes.get(name) != tuple(state[name].shape)):
        raise DamagedFile(f"weights {path} belong to another network: {wrong[0]} and {len(wrong) - 1} more do not fit; check the card")
    return state


def _write(state: Mapping[str, Tensor], path: Path, **metadata: str) -> None:
    tensors = {name: value.detach().cpu().contiguous() for name, value in state.items()}
    write_atomically(lambda temporary: save_file(tensors, temporary, metadata), path)


def train_dash(card: Card, images: np.ndarray, output: Path, device: torch.device | str = "cpu") -> dict[str, Any]:
    """Trains the card's Dash from random weights and writes it; a killed training goes on at its last resume point.

    Returns:
        What :func:`morse.training.loop.train` does, with the settings.
    """
    recipe = card["training"]
    settings = TrainSettings(**recipe["train"])
    torch.manual_seed(settings.seed)
    dash = build_dash(card)
    network = dash.network.to(device)
    loss = dash_loss(network, dash.schedule, images, recipe["batch_size"], recipe["flip"], device)
    made = train(network, loss, settings, output.with_suffix(".resume"), "Dash", made_of={"recipe": dict(recipe)})
    _write(network.state_dict(), output)
    return made | {"sha256": sha256(output), "recipe": dict(recipe)}


def _new_dot(card: Card, dash: Dash) -> Dot:
    return Dot(dash.network, card["dot"]["channels"], dash.schedule, card["dot"]["preconditioned"])


def _form(card: Card) -> str:
    """What of Dot's form its tensors do not show, as files of Dot and resume points name it."""
    return f"preconditioned={card['dot']['preconditioned']}"


def adapted_dot(card: Card, dash: Dash) -> Dot:
    """The card's Dot before training: its output is zero."""
    dot = _new_dot(card, dash)
    attach_lora(dot, card["dot"]["rank"])
    return dot


def own_parameters(card: Card) -> int:
    """How many parameters the card's Dot has beside those that it shares with Dash: LoRA, extra blocks, time of s."""
    return sum(p.numel() for p in adapted_dot(card, build_dash(card)).parameters() if p.requires_grad)


def train_dot(card: Card, dash_weights: Path, images: np.ndarray, output: Path, device: torch.device | str = "cpu") -> dict[str, Any]:
    """Trains the card's Dot (:mod:`morse.dot.chains`) and writes what it adds to Dash; resumes like :func:`train_dash`."""
    recipe = card["dot"]["training"]
    settings = TrainSettings(**recipe["train"])
    dash = load_dash(card, dash_weights, device=device)
    torch.manual_seed(settings.seed)
    dot = adapted_dot(card, dash).to(device)
    source = ChainSource(dash, images, ChainSettings(**recipe["chain"]), device)
    resume = output.with_suffix(".resume")
    if source.settings.normalise and not resume.exists():
        calibrate_scale(dot.scale, source, settings.seed)
    made_of = {"dash": sha256(dash_weights), "recipe": dict(recipe), "dot": _form(card)}
    made = train(dot, dot_loss(dot, source, settings.seed), settings, resume, "Dot", made_of)
    # One entry: safetensors writes several in an order of chance, and equal weights should be equal files.
    _write(own_state(dot), output, made_for=json.dumps({"dash": made_of["dash"], "form": made_of["dot"]}))
    return made | {"sha256": sha256(output), "recipe": dict(recipe)}


def prepare_dot(card: Card, dash_weights: Path, dot_weights: Path, output: Path, expected_sha256: str | None = None) -> None:
    """Merges LoRA into the shared layers and writes Dot for inference: the only file that sampling needs beside Dash's.

    Args:
        expected_sha256: of ``dot_weights``; None for weights trained just now.

    Raises:
        DamagedFile: for a missing or altered file, or a Dot of another Dash.
    """
    dash = load_dash(card, dash_weights)
    dot = adapted_dot(card, dash)
    state = _read(require(dot_weights, expected_sha256, "Dot weights"), own_state(dot))
    with safe_open(dot_weights, "pt") as file:
        metadata = json.loads((file.metadata() or {}).get("made_for", "{}"))
    if (trained_on := metadata.get("dash")) != (actual := sha256(dash_weights)):
        other = f"{str(trained_on)[:12]}..., not {actual[:12]}..."
        raise DamagedFile(f"Dot weights {dot_weights} were trained on Dash {other}; train Dot again")
    if (form := metadata.get("form")) != _form(card):
        raise DamagedFile(f"Dot weights {dot_weights} are of a Dot with {form}, not {_form(card)}; mend the card or train Dot again")
    dot.load_state_dict(state, strict=False)
    _write(merge_lora(dot).state_dict(), output, dash=actual)


def load_dot(card: Card, dash: Dash, prepared: Path | str) -> Dot:
    """Dot from the file of :func:`prepare_dot`, on Dash's device.

    Raises:
        DamagedFile: if the file is missing or of another network.
    """
    path = require(prepared, what="prepared Dot")
    dot = _new_dot(card, dash)
    dot = inference_dot(dot, _read(path, dot.state_dict()))
    return _place(dot, next(dash.network.parameters()).device)


def train_classifier(
    recipe: Mapping[str, Any], data: Split, held_out: Split, output: Path, device: torch.device | str = "cpu"
) -> dict[str, Any]:
    """Trains the small feature extractor and writes it; resumes like :func:`train_dash`.

    Returns:
        As :func:`train_dash`, with ``accuracy`` on the images of ``held_out``.
    """
    settings = TrainSettings(**recipe["train"])
    torch.manual_seed(settings.seed)
    network = SmallClassifier().to(device)
    loss = classifier_loss(network, data.images, data.labels, recipe["batch_size"], device)
    made_of = {"recipe": dict(recipe), "data": data.identity}
    made = train(network, loss, settings, output.with_suffix(".resume"), "classifier", made_of)
    with torch.inference_mode():
        guesses = [network(to_network(batch).to(device)).argmax(1).cpu() for batch in np.array_split(held_out.images, 20)]
    accuracy = float((torch.cat(guesses).numpy() == held_out.labels).mean())
    _write(network.state_dict(), output)
    return made | {"accuracy": accuracy, "sha256": sha256(output), "recipe": dict(recipe)}
