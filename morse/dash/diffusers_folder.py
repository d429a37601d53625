"""A diffusers folder -> what a model's card says of it: the network and its noise schedule.

Pipelines of text to image are read in :mod:`morse.dash.text_folder`.

Folders are laid out in three ways: a pipeline with ``unet/`` and ``scheduler/``; the folder
``unet/`` of such a pipeline; and, as before 2023, both configurations in one folder.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from morse.files import read_json

SCHEDULES = {"linear": "linear", "scaled_linear": "scaled-linear", "squaredcos_cap_v2": "cosine"}
"""diffusers' ``beta_schedule`` -> the name of :data:`morse.schedules.presets.SCHEDULES`."""

SCHEDULERS = ("DDPMScheduler", "DDIMScheduler", "PNDMScheduler", "LCMScheduler", "EulerDiscreteScheduler")
"""diffusers' schedulers whose noise schedule is given by betas."""

TEXT_TO_IMAGE = "UNet2DConditionModel"

READ = {"_class_name": "UNet2DModel", "time_embedding_type": "positional", "class_embed_type": None}
"""What a network must have. Another embedding of time has another convention of timesteps."""


def folder_card(folder: Path) -> dict[str, Any]:
    """``family``, ``unet`` and ``schedule`` of a model's card; of a text model also ``autoencoder``
    and ``text``.

    Args:
        folder: a diffusers folder, on this machine.

    Raises:
        ValueError: one line that names the file, the key and what is read, for a folder without its
            files, another network than a UNet2DModel or one of text to image, or another schedule.
        DamagedFile: for a file that is no JSON.
    """
    network = _found(folder, ("config.json", "unet/config.json"), "config.json of a UNet2DModel")
    beside = [
        f"{up}{name}" for up in ("", "../") for name in ("scheduler/scheduler_config.json", "scheduler_config.json")
    ]
    scheduler = _found(folder, beside, "scheduler/scheduler_config.json")
    if read_json(network, {"_class_name": str})["_class_name"] == TEXT_TO_IMAGE:
        from morse.dash.text_folder import text_parts  # loads larger parts of diffusers

        whole = network.parent.parent if network.parent.name == "unet" else folder
        return text_parts(whole, network) | {"schedule": _schedule(scheduler)}
    return {"family": "diffusers", "unet": _unet(network), "schedule": _schedule(scheduler)}


def _found(folder: Path, names: list[str] | tuple[str, ...], what: str) -> Path:
    if not folder.is_dir():
        raise ValueError(f"{folder} is no folder; name a diffusers folder on this machine")
    if found := next((folder / name for name in names if (folder / name).is_file()), None):
        return found
    raise ValueError(f"{folder}: no {what} in it; name a folder that diffusers' save_pretrained wrote")


def _require(path: Path, content: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    for key, value in wanted.items():
        if (has := content.get(key, value)) not in (value if isinstance(value, tuple) else (value,)):
            known = " or ".join(map(str, value)) if isinstance(value, tuple) else value
            raise ValueError(f"{path}: {key} is {has}, and only {known} is read")


def _unet(path: Path) -> dict[str, Any]:
    from diffusers.models.unets.unet_2d import UNet2DModel

    content = read_json(path, {"_class_name": str})
    _require(path, content, READ)
    known = inspect.signature(UNet2DModel.__init__).parameters
    config = {key: value for key, value in content.items() if not key.startswith("_")}
    if odd := sorted({*config} - {*known}):
        raise ValueError(f"{path}: {odd[0]} is no setting of a UNet2DModel; take it out")
    has = {key: one.default for key, one in known.items() if key != "self"} | config
    size = has["sample_size"]
    size = size[0] if isinstance(size, list | tuple) and len({*size}) == 1 else size
    if not isinstance(size, int):
        raise ValueError(f"{path}: sample_size is {size}; write the side of the square images that it was trained on")
    blocks = [*has["down_block_types"], *has["up_block_types"]]
    if skipping := [block for block in blocks if "Skip" in block]:
        raise ValueError(f"{path}: a block {skipping[0]} passes the image itself along, which Dot does not have")
    if has["out_channels"] not in (has["in_channels"], 2 * has["in_channels"]):
        raise ValueError(
            f"{path}: {has['in_channels']} channels in and {has['out_channels']} out are no noise estimate"
        )
    unet = {
        "sample_size": size,
        "channels": has["in_channels"],
        "block_out_channels": list(has["block_out_channels"]),
        "layers_per_block": has["layers_per_block"],
        "attention_levels": [level for level, name in enumerate(has["down_block_types"]) if "Attn" in name],
    }
    unet |= {"norm_num_groups": has["norm_num_groups"]} if has["norm_num_groups"] else {}
    unet |= {"learned_variance": True} if has["out_channels"] > has["in_channels"] else {}
    unet |= {"classes": has["num_class_embeds"]} if has["num_class_embeds"] else {}
    return unet | {"config": config}


def _schedule(path: Path) -> dict[str, Any]:
    content = read_json(path, {"_class_name": str})
    wanted = {"_class_name": SCHEDULERS, "prediction_type": "epsilon", "beta_schedule": tuple(SCHEDULES)}
    _require(path, content, wanted | {"trained_betas": None, "rescale_betas_zero_snr": False})
    name = SCHEDULES[content.get("beta_schedule", "linear")]
    schedule = {"name": name, "num_train_timesteps": content.get("num_train_timesteps", 1000)}
    if name == "cosine":
        return schedule
    return schedule | {"beta_start": content.get("beta_start", 0.0001), "beta_end": content.get("beta_end", 0.02)}
