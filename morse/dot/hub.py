"""A Dot alone as a folder that can be shared: its own tensors, its form, and a model card.

Dash's weights are not in it. Dot is bound to them by two small tensors of Dash's network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn

from morse.checkpoints import read_state, write_state
from morse.dot.lora import attach_lora, merge_lora, own_state
from morse.dot.network import Dot
from morse.files import DamagedFile, read_json, require, write_json, write_text
from morse.schedules.presets import make_schedule

WEIGHTS, CONFIG, CARD = "dot.safetensors", "config.json", "README.md"
BOUND = ("conv_in.weight", "conv_out.weight")
"""Dash's tensors that are kept beside Dot's, to know Dash again."""
TOLERANCE = 5e-3
"""How much these may differ, as a fraction of their largest value: bfloat16 rounds by less."""
FORM = ("channels", "rank", "preconditioned", "memory", "ratio", "schedule")
"""What a Dot says of its form."""
DASH = "dash."
NEEDS = {
    "channels": list,
    "rank": int,
    "preconditioned": bool,
    "guidance": str,
    "memory": int,
    "ratio": float,
    "schedule": dict,
    "base_model": str,
}


@dataclass(frozen=True)
class About:
    """What a shared Dot's model card says.

    Attributes:
        base_model: the name of Dash, such as a repository of the hub.
        licence: of Dot.
        recipe: how it was trained, in words.
        speedup: what was measured of it, in words.
    """

    base_model: str
    licence: str
    recipe: str
    speedup: str


def save_dot(dot: Dot, network: nn.Module, about: About, folder: Path) -> None:
    """Writes a Dot as a folder that :func:`read_dot` reads.

    Args:
        dot: with its LoRA beside the shared layers (``merge=False`` of
            :func:`morse.dot.loading.load_dot`).
        network: Dash's.

    Raises:
        ValueError: one line, for a Dot whose LoRA is merged: its own tensors are no longer apart.
        UnwritableFile: as :func:`morse.files.write_atomically`.
    """
    if not any("lora_" in name for name, _ in dot.named_parameters()):
        raise ValueError("the Dot has its LoRA merged; load it with merge=False to share it")
    own, of_dash = own_state(dot), network.state_dict()
    count = sum(one.numel() for one in own.values())
    folder.mkdir(parents=True, exist_ok=True)
    write_state(own | {f"{DASH}{name}": of_dash[name] for name in BOUND}, folder / WEIGHTS)
    write_text(_card(dot.form, about, count), folder / CARD)
    write_json({**dot.form, "guidance": dot.guidance, "base_model": about.base_model}, folder / CONFIG)


def read_dot(source: Path | str, network: nn.Module, merge: bool = True) -> Dot:
    """A shared Dot, around a Dash, frozen, on Dash's device and in its precision.

    Args:
        source: a folder, or a repository of the hub, which is then fetched.
        network: Dash's U-Net, such as ``pipe.unet``.
        merge: as in :func:`morse.dot.loading.load_dot`.

    Raises:
        DamagedFile: one line, for a missing or foreign file, or another Dash.
    """
    folder = Path(source)
    if not folder.is_dir():
        from huggingface_hub import snapshot_download

        folder = Path(snapshot_download(str(source), allow_patterns=[WEIGHTS, CONFIG]))
    form, path = read_json(folder / CONFIG, NEEDS), require(folder / WEIGHTS, None, "Dot weights")
    what = form["preconditioned"], form["guidance"], form["memory"]
    dot = Dot(network, form["channels"], make_schedule(form["schedule"]), *what)
    attach_lora(dot, form["rank"])
    of_dash = network.state_dict()
    like = own_state(dot) | {f"{DASH}{name}": of_dash[name] for name in BOUND}
    state = read_state(path, like)
    for name in BOUND:
        if not _alike(state.pop(f"{DASH}{name}"), of_dash[name]):
            raise DamagedFile(
                f"Dot weights {path} are of another Dash, {form['base_model']}; load that, or train a Dot"
            )
    dot.load_state_dict(state, strict=False)
    dot.form, dot.ratio = {key: form[key] for key in FORM}, form["ratio"]
    dot = merge_lora(dot) if merge else dot.eval()
    return to_precision(dot.to(of_dash[BOUND[0]].device), of_dash[BOUND[0]].dtype)


def push_dot(dot: Dot, network: nn.Module, about: About, repository: str, private: bool = False) -> str:
    """Puts a Dot into a repository of the hub, which is made if it is not there. Returns its
    address. Uses the network, and the token of ``hf auth login``."""
    from huggingface_hub import HfApi

    api = HfApi()
    with TemporaryDirectory() as folder:
        save_dot(dot, network, about, Path(folder))
        place = api.create_repo(repository, private=private, exist_ok=True)
        api.upload_folder(repo_id=repository, folder_path=folder, commit_message="A Dot for Morse")
    return str(place)


def to_precision(dot: Dot, dtype: torch.dtype) -> Dot:
    """Dot's layers in a precision. Its tables of noise levels and sizes stay in float32: half
    precision would lose the difference of two timesteps."""
    for name, part in dot.named_children():
        if name not in ("levels", "scale"):
            part.to(dtype)
    return dot


def _alike(found: Tensor, expected: Tensor) -> bool:
    found, expected = found.float().cpu(), expected.float().cpu()
    return bool((found - expected).abs().max() <= TOLERANCE * expected.abs().max())


def _card(form: Mapping[str, Any], about: About, count: int) -> str:
    return f"""---
base_model: {about.base_model}
license: {about.licence}
tags: [morse, dual-sampling, diffusers]
---
# A Dot of {about.base_model} for Morse

Morse (Li et al. 2025, arXiv 2506.18251) runs a diffusion model, Dash, on some steps only. Between
them this fast network, Dot, corrects Dash's last noise estimate. It has {count:,} parameters of its
own, and shares the rest with Dash, whose weights are not here.

- Base model: {about.base_model}
- Nominal N: a step of Dash takes the time of {form["ratio"]:g} steps of Dot
- Form: extra blocks of {form["channels"]} channels, LoRA of rank {form["rank"]}
- Recipe: {about.recipe}
- Speedup: {about.speedup}
- Licence: {about.licence}
"""
