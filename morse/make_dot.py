"""A Dot for a model from its card, or from a diffusers folder: what `morse train-dot` does.

All that is made goes into one folder: dot.safetensors, training.json, and for a model without a
card card.yaml and the converted dash.safetensors. A killed training resumes when it is asked for
again.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import yaml

from morse.dash.converters import convert_file
from morse.dash.diffusers_folder import folder_card
from morse.dash.loading import build_dash, dash_file
from morse.data.folder import prepare
from morse.data.loading import shapes_of
from morse.data.originals import PICTURES, files_of, hash_of_names
from morse.data.pairs import prepare as prepare_pairs
from morse.dot.chain_settings import chain_settings
from morse.dot.loading import new_dot, own_parameters
from morse.dot.training import train_dot_on
from morse.experiments.cards import OWN, Card, complete_model, merged, only, read_card, schema
from morse.experiments.schema import validate
from morse.experiments.shapes import image_shape, takes_guidance
from morse.files import require, sha256, write_json, write_text
from morse.fit import check_dash, check_dot
from morse.provenance import provenance
from morse.results.records import training_record
from morse.runtime.device import device_name
from morse.runtime.flops import flops
from morse.sampling.own_images import key_of, own_images
from morse.training.distributed import agreed, rank, together, world


def card_of_folder(folder: Path, changes: Card, task: str) -> dict[str, Any]:
    """The card of a network that diffusers saved, with the recipe of the paper's scale.

    Args:
        changes: to the recipe.
        task: the name of its data.

    Raises:
        ValueError, DamagedFile: one line, as :func:`morse.dash.diffusers_folder.folder_card`.
    """
    found = folder_card(folder)
    dash = {"file": "dash.safetensors", "sha256": "0" * 64}  # written once it is converted
    card = merged({**found, "scale": "paper", "tasks": [task], "dash": dash}, changes)
    card = complete_model(card, str(folder))
    validate(card, schema("model"), str(folder))
    return card


def described(card: Card, processes: int) -> dict[str, str]:
    """What a training will be, in words: heading -> value.

    Raises:
        ValueError: one line, for a network or a recipe that cannot be.
    """
    check_dash(card)
    check_dot(card, trained=True)
    with torch.device("meta"):  # shapes alone
        dash = build_dash(card)
        dot, own = new_dot(card, dash), own_parameters(card)
    counted = flops(dash, dot, dash.shape, "meta", dash.example(1, "meta"), dot.takes)
    n, nominal = counted["dash"] / counted["dot"], card["dot"]["ratio"]
    recipe = card["dot"]["training"]
    chain = chain_settings(card["dot"])
    return {
        "Dot": f"{own:,} parameters of its own",
        "N by FLOPs": f"{n:.2f}" + (f", less than the {nominal:g} of plans: give smaller channels" * (n < nominal)),
        "pairs per step": f"{chain.pairs_per_step}, of {chain.chains} chains of {chain.points} calls of Dash, "
        f"{chain.steps} steps a draw",
        "steps": f"{recipe['train']['steps']}, by {processes} process{'es' * (processes > 1)}",
    }


def make_dot(
    card: Card,
    folder: Path | None,
    data: str | None,
    output: Path,
    device: str = "cpu",
    captions: Path | None = None,
) -> dict[str, Any]:
    """Trains a Dot and writes all into a folder. Each of several processes calls it.

    Args:
        card: complete and valid.
        folder: of diffusers, with Dash's weights; None: they are where the card says.
        data: a folder of images, or a data set file; None: the card's data.
        output: the folder.
        captions: of a folder of images, for a text model. A folder of shards has its own.

    Returns:
        The training's record, as in training.json.
    """
    dash, dot = _dash_of(card, folder, output), output / "dot.safetensors"
    training = train_dot_on(card, _data_of(card, data, dash, output, device, captions), dash, dot, device)
    record = training_record(training, provenance(device_name(device)) | {"processes": world()})
    if rank() == 0:
        write_json(record, output / "training.json")
        if folder:
            _write_card(card, dash, dot, output / "card.yaml")
    return record


def _dash_of(card: Card, folder: Path | None, output: Path) -> Path:
    """Dash's file of weights, converted if it is of a diffusers folder."""
    with together():
        dash = output / "dash.safetensors" if folder else dash_file(card)
        if rank() == 0 and folder:
            convert_file(card, folder, dash)
        elif rank() == 0:
            require(dash, card["dash"].get("sha256"), "Dash weights")
    return dash


def _data_of(
    card: Card, data: str | None, dash: Path, output: Path, device: str, captions: Path | None
) -> dict[str, Any]:
    """What a task's card would say of the data: ``file`` and ``size``."""
    guided = takes_guidance(card)
    if guided and card["dot"]["training"]["data"] == OWN:
        raise ValueError(f"a text model's Dot is trained on captioned images; give --data FOLDER, not {OWN}")
    if captions and not guided:
        raise ValueError("--captions: the model takes no prompts; leave them out")
    channels, size, _ = image_shape(card)
    if (name := card["dot"]["training"]["data"]) == OWN:
        file = output / f"own-images-{key_of(card, sha256(dash))}" / "dataset.json"
        if not agreed(file.exists(), "own images:"):
            own_images(card, dash, file, device)
        return {"file": file.resolve(), "size": size}
    if data is None:
        return dict(read_card("task", name)["data"])
    with together():
        file = prepared(Path(data), channels, size, output, rank() == 0, guided, captions)
    agreed(str(file), "data")
    return {"file": file.resolve(), "size": size}


def prepared(
    data: Path,
    channels: int,
    size: int,
    output: Path,
    write: bool = True,
    pairs: bool = False,
    captions: Path | None = None,
) -> Path:
    """The data set file of a folder of images (:mod:`morse.data.folder`), or the file itself if
    ``data`` is one.

    Args:
        output: the folder of the prepared set. Its name follows from names and sizes of the images.
        pairs: whether images need captions (:mod:`morse.data.pairs`): in shards, or by
            ``captions``.

    Raises:
        DamagedFile, ValueError: one line, for a place without images, or an image that does not
            fit.
    """
    if data.is_file():
        shapes_of(data)
        return data
    if not data.is_dir():
        raise ValueError(f"{data}: no images there; name a folder of images, a data set file, or {OWN}")
    kinds = (".tar",) if pairs and not captions else PICTURES
    key = f"{channels}x{size}-{hash_of_names(files_of(data, kinds), data)[:12]}"
    key += f"-{sha256(require(captions, None, 'captions'))[:12]}" if captions else ""
    file = output / f"data-{key}" / "dataset.json"
    if write and not file.exists():
        wanted = {"folder": data, "size": size, "channels": channels}
        if pairs:
            prepare_pairs(wanted | ({"captions": captions} if captions else {}), data, file)
        else:
            prepare(wanted, data, file)
    return file


def _write_card(card: Card, dash: Path, dot: Path, output: Path) -> None:
    """The card of config/models: with it every command and run takes the model."""
    files = {
        "dash": {"file": str(dash.resolve()), "sha256": sha256(dash)},
        "dot": card["dot"] | {"source": "shipped", "file": str(dot.resolve()), "sha256": sha256(dot)},
    }
    first = ("family", "scale", "tasks", "unet", "autoencoder", "text", "schedule")
    text = yaml.safe_dump(
        only(card, first) | files, default_flow_style=None, sort_keys=False, width=110, allow_unicode=False
    )
    write_text(f"# A model that was read from a diffusers folder, and its Dot.\n{text}", output)
