"""The folder of a text-to-image pipeline that diffusers saved -> what a model's card says of it.

Stable Diffusion, SDXL and those of their networks that have the guidance scale as an input (LCM)
are read. A setting of a network that a card has no key for must be as in ours: both are built, on
the meta device, and their configurations are compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

from morse.dash.autoencoder import build_autoencoder
from morse.dash.conditioning import CLASSIFIER_FREE, EMBEDDED
from morse.dash.converters.diffusers import KL, TEXT_MODELS
from morse.dash.stable_diffusion import TIME_IDS, build_unet
from morse.dash.text import END, TOKENS
from morse.files import read_json

FREE = {"sample_size", "upcast_attention", "force_upcast", "scaling_factor", "dropout"}
"""Settings that change no estimate, or that a card has by another name."""
HEADS = {"attention_head_dim", "transformer_layers_per_block"}
"""Settings that may be one number for all levels."""
ENCODER = {
    "hidden_size": "hidden_size",
    "intermediate_size": "intermediate_size",
    "num_hidden_layers": "layers",
    "num_attention_heads": "heads",
    "vocab_size": "vocab_size",
    "hidden_act": "hidden_act",
}
"""transformers' names of a text model's settings -> a card's."""


def text_parts(folder: Path, network: Path) -> dict[str, Any]:
    """``family``, ``unet``, ``autoencoder`` and ``text`` of a text model's card.

    Args:
        folder: of the pipeline, with ``vae``, ``text_encoder`` and ``tokenizer``, for SDXL a second
            one of the last two each.
        network: its U-Net's ``config.json``.

    Raises:
        ValueError: one line that names the file, the key and what is read.
        DamagedFile: for a file that is missing or no JSON.
    """
    unet, autoencoder = _unet(network), _autoencoder(_file(folder, f"{KL}/config.json"))
    side = unet["sample_size"] * 2 ** (len(autoencoder["block_out_channels"]) - 1)
    text = _text(folder, unet, side)
    if autoencoder["latent_channels"] != unet["channels"]:
        raise ValueError(
            f"{network}: in_channels is {unet['channels']}, and latents have {autoencoder['latent_channels']}; "
            "take a pipeline of text to image"
        )
    return {"family": "stable-diffusion", "unet": unet, "autoencoder": autoencoder, "text": text}


def _unet(path: Path) -> dict[str, Any]:
    has = read_json(
        path, {"_class_name": str, "block_out_channels": list, "sample_size": int, "down_block_types": list}
    )
    levels = len(has["block_out_channels"])
    unet = {
        "sample_size": has["sample_size"],
        "channels": _number(path, has, "in_channels", 4),
        "block_out_channels": has["block_out_channels"],
        "layers_per_block": _number(path, has, "layers_per_block", 2),
        "attention_levels": [level for level, name in enumerate(has["down_block_types"]) if "CrossAttn" in name],
        "norm_num_groups": _number(path, has, "norm_num_groups", 32),
        "heads": _each(has.get("attention_head_dim", 8), levels),
        "transformer_layers": _each(has.get("transformer_layers_per_block", 1), levels),
        "cross_attention_dim": _number(path, has, "cross_attention_dim", 1280),
        "guidance": EMBEDDED if has.get("time_cond_proj_dim") else CLASSIFIER_FREE,
    }
    unet |= {"linear_projection": True} if has.get("use_linear_projection") else {}
    unet |= {"guidance_width": has["time_cond_proj_dim"]} if has.get("time_cond_proj_dim") else {}
    if has.get("addition_embed_type") == "text_time":
        width = _number(path, has, "addition_time_embed_dim", None)
        pooled = _number(path, has, "projection_class_embeddings_input_dim", None) - TIME_IDS * width
        unet |= {"added": {"time_width": width, "pooled": pooled}}
    with torch.device("meta"):
        try:
            own = build_unet(unet).config
        except (ValueError, TypeError) as error:
            why = " ".join(str(error).split())[:160]
            raise ValueError(f"{path}: no network can be built of it ({why}); check its settings") from error
    levelled = {key: _each(has[key], levels) for key in HEADS if key in has}
    _require_same(path, has | levelled, own)
    return unet


def _autoencoder(path: Path) -> dict[str, Any]:
    has = read_json(path, {"_class_name": str, "block_out_channels": list})
    settings = {
        "block_out_channels": has["block_out_channels"],
        "layers_per_block": _number(path, has, "layers_per_block", 1),
        "latent_channels": _number(path, has, "latent_channels", 4),
        "norm_num_groups": _number(path, has, "norm_num_groups", 32),
        "scale": has.get("scaling_factor", 0.18215),
    }
    if has["_class_name"] != "AutoencoderKL":
        raise ValueError(f"{path}: _class_name is {has['_class_name']}, and only AutoencoderKL is read")
    with torch.device("meta"):
        _require_same(path, has, build_autoencoder(settings).network.config)
    return settings


def _text(folder: Path, unet: Mapping[str, Any], side: int) -> dict[str, Any]:
    """The card's ``text``. Of two text models the hidden states before the last are taken."""
    count = 2 if "added" in unet else 1
    found = [
        _encoder(_file(folder, f"{name}/config.json"), bool(number)) for number, name in enumerate(TEXT_MODELS[:count])
    ]
    path, width = folder / TEXT_MODELS[count - 1] / "config.json", sum(one["hidden_size"] for one in found)
    if width != unet["cross_attention_dim"]:
        raise ValueError(
            f"{path}: hidden states have {width} numbers, and the U-Net reads {unet['cross_attention_dim']}"
        )
    if "added" in unet and found[-1]["projection"] != unet["added"]["pooled"]:
        has, wanted = found[-1]["projection"], unet["added"]["pooled"]
        raise ValueError(f"{path}: projection_dim is {has}, and the U-Net reads {wanted}; take a whole SDXL")
    text = {"encoders": found, "hidden": "penultimate" if count > 1 else "last"}
    text["padding"] = [_padding(folder / name.replace("text_encoder", "tokenizer")) for name in TEXT_MODELS[:count]]
    return text | ({"size": side} if count > 1 else {})


def _encoder(path: Path, projects: bool) -> dict[str, Any]:
    has = read_json(path, dict.fromkeys(("hidden_size", "intermediate_size", "vocab_size"), int))
    kind = "CLIPTextModelWithProjection" if projects else "CLIPTextModel"
    wanted = {"architectures": [kind], "max_position_embeddings": TOKENS}
    for key, value in wanted.items():
        if has.get(key, value) != value:
            raise ValueError(f"{path}: {key} is {has[key]}, and only {value} is read")
    defaults = {"num_hidden_layers": 12, "num_attention_heads": 8, "hidden_act": "quick_gelu"}
    settings = {ours: has.get(name, defaults.get(name)) for name, ours in ENCODER.items()}
    return settings | ({"projection": _number(path, has, "projection_dim", 512)} if projects else {})


def _padding(folder: Path) -> str:
    """The token that a tokenizer pads with."""
    path = folder / "tokenizer_config.json"
    token = read_json(path).get("pad_token", END) if path.is_file() else END
    return token["content"] if isinstance(token, dict) else token or END


def _file(folder: Path, name: str) -> Path:
    if not (folder / name).is_file():
        raise ValueError(f"{folder}: no {name} in it; name the whole folder of a text-to-image pipeline")
    return folder / name


def _number(path: Path, has: Mapping[str, Any], key: str, default: int | None) -> int:
    value = has.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"{path}: {key} is {value}, and only one whole number is read")
    return value


def _each(value: Any, levels: int) -> list[Any]:
    """A setting of each level, of one that may be one number."""
    return list(value) if isinstance(value, Iterable) else [value] * levels


def _require_same(path: Path, has: Mapping[str, Any], own: Mapping[str, Any]) -> None:
    """Raises ValueError, one line, for a setting that our network of the same card has not."""
    for key in sorted(key for key in has if not key.startswith("_") and key not in FREE):
        wanted = list(own[key]) if isinstance(own.get(key), tuple) else own.get(key)
        if has[key] != wanted:
            raise ValueError(f"{path}: {key} is {has[key]}, and only {wanted} is read")
