"""One run: networks, a method and a sampler -> images.

:func:`sample` is for users of the library. :func:`run_shard` is for a job of the workflow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from morse.dash.base import Dash
from morse.dash.conditioning import Encoded
from morse.dash.loading import load_dash
from morse.data.parts import bounds
from morse.dot.hub import to_precision
from morse.dot.loading import dash_for, load_dot
from morse.dot.network import Dot
from morse.experiments.axes import UNGUIDED, guidance_scale
from morse.experiments.cards import Card, default_settings, read_card, sampler_view
from morse.methods import BASELINE, METHODS, MORSE, method_named
from morse.methods.plans import Plan, with_ratio
from morse.provenance import provenance
from morse.runtime.device import device_name
from morse.runtime.execution import executable
from morse.sampling.parts import part_maker
from morse.sampling.plan_search import read_choice
from morse.sampling.prompts import encode_prompts, load_prompts
from morse.sampling.shards import Shard


def plan_of(
    method: str, budget: int, ratio: float, settings: Mapping[str, Any], chosen: Path | str | None = None
) -> Plan:
    """The plan of a run.

    Args:
        method: a name of :data:`morse.methods.METHODS`.
        budget: in LSD.
        ratio: the nominal N.
        settings: the method's, of :func:`morse.experiments.cards.method_view`.
        chosen: the file of :func:`morse.sampling.plan_search.save_choice`, if the policy searches.

    Raises:
        ValueError: for a budget that is too small for the method.
    """
    return with_ratio(read_choice(chosen), ratio) if chosen else method_named(method).plan(budget, ratio, settings)


def run_part(
    networks: Mapping[str, Any],
    method: str,
    plan: Plan,
    sampler: Card,
    seed: int,
    first: int,
    count: int,
    batch_size: int,
    device: torch.device | str = "cpu",
    executions: Mapping[str, str] | None = None,
    caption: str = "sample",
    prompts: Encoded | None = None,
    guidance: float | None = None,
    size: int | None = None,
) -> Shard:
    """Images ``first`` to ``first + count - 1`` of a run.

    Args:
        networks: "dash", a :class:`morse.dash.base.Dash`, and "dot" where the method needs it.
        sampler: ``kind`` and ``options`` of a sampler's card.
        executions: network -> how it runs; None: eagerly.
        caption: of the progress bar.
        prompts, guidance: of a text model, the encoded prompts and the guidance scale.
        size: H = W of the images, if the model's are larger.
    """
    executions = executions or dict.fromkeys(networks, "eager")
    running = {name: executable(network, executions[name], device) for name, network in networks.items()}
    what = method, plan, sampler, seed, first, count, batch_size, device, caption, prompts, guidance, size
    shard = part_maker(networks["dash"], running, executions, *what)()
    return replace(shard, provenance=provenance(device_name(device)) | {"execution": dict(executions)})


def load_networks(
    card: Card, names: tuple[str, ...], dot: Path | str | None, device: torch.device | str, with_text: bool = False
) -> dict[str, Any]:
    """The networks by name: "dash", and "dot" if ``names`` has it.

    Args:
        dot: a file of Dot's weights; None: the card's.
        with_text: load a text model's text encoders too.
    """
    return networks_of(*load_pair(card, names, dot, device, with_text))


def load_pair(
    card: Card, names: tuple[str, ...], dot: Path | str | None, device: torch.device | str, with_text: bool = False
) -> tuple[Dash, Dot | None]:
    """As :func:`load_networks`, but Dash as it is in runs of Dash alone, and Dot or None."""
    dash = load_dash(card, device=device, with_text=with_text)
    loaded = load_dot(card, dash, dot) if "dot" in names else None
    if (precision := precision_of(card, device)) != torch.float32:
        dash.network.to(precision)
        if loaded is not None:
            to_precision(loaded, precision)
    return dash, loaded


def precision_of(card: Card, device: torch.device | str) -> torch.dtype:
    """The precision of a card's networks on a device: the card's on a GPU, float32 elsewhere.

    Samples, estimates and an autoencoder stay in float32. So a sampler's arithmetic is that of
    every run.
    """
    on_gpu = torch.device(device).type == "cuda"
    return getattr(torch, card.get("precision", "float32") if on_gpu else "float32")


def networks_of(dash: Dash, dot: Dot | None) -> dict[str, Any]:
    """The networks by name, with a Dash that gives all that Dot takes."""
    return {"dash": dash} if dot is None else {"dash": dash_for(dot, dash), "dot": dot}


def run_shard(
    run: Mapping[str, Any],
    shard: int,
    card: Card,
    sampler: Card,
    settings: Mapping[str, Any],
    images: int,
    shards: int,
    batch_size: int,
    device: torch.device | str,
    executions: Mapping[str, str],
    dot: Path | str | None = None,
    chosen: Path | str | None = None,
    prompts: Path | str | None = None,
    size: int | None = None,
) -> Shard:
    """One shard of a run of the workflow.

    Args:
        run: axis -> value (:func:`morse.experiments.axes.run_of`).
        shard: its index. The run's ``images`` are split into ``shards`` of them.
        card: the model's, of the networks that the method needs.
        settings, chosen: of :func:`plan_of`.
        dot: the prepared file, if the method needs Dot.
        prompts: of a text model, the file of encoded prompts.
        size: of the task's images.
    """
    names = METHODS[run["method"]].networks
    plan = plan_of(run["method"], run["budget"], nominal_ratio(card), settings, chosen)
    first, count = bounds(images, shards, shard)
    caption = f"{run['model']} {run['sampler']} {run['method']} {run['budget']} LSD, seed {run['seed']}"
    networks = load_networks(card, names, dot, device)
    what = run["method"], plan, sampler, run["seed"], first, count, batch_size, device, executions, caption
    encoded = load_prompts(prompts) if prompts else None
    return run_part(networks, *what, encoded, guidance_scale(run.get("guidance", UNGUIDED)), size)


def nominal_ratio(card: Card) -> float:
    """The nominal N, which plans are made with; 1 for a card without Dot, whose plans do not use
    it."""
    return card.get("dot", {}).get("ratio", 1.0)


def sample(
    dash: Dash,
    dot: Dot | None = None,
    sampler: Card | str = "ddim",
    method: str | None = None,
    budget: int = 8,
    images: int = 16,
    seed: int = 0,
    batch_size: int = 100,
    settings: Mapping[str, Any] | None = None,
    prompts: Sequence[str] | None = None,
    guidance: float = 7.5,
) -> np.ndarray:
    """Images of a model, by Morse or another method: (images, C, H, W) uint8.

    The noise of image i depends on the seed and i alone, so all methods start from the same noise.
    The number of images and the batch size change an image by rounding only.

    Args:
        dash: of :func:`morse.dash.loading.load_dash`.
        dot: of :func:`morse.dot.loading.load_dot`; None for a method that needs none.
        sampler: a card, or the name of one in config/samplers.
        method: a name of :data:`morse.methods.METHODS`; None: Morse with a Dot, the baseline
            without.
        budget: in LSD, latencies of a Dash step.
        settings: of the method; None: those of config/config.yaml.
        prompts: of a text model. Image i has prompt i modulo their number.
        guidance: its guidance scale.

    Raises:
        ValueError: one line, for an unknown name, a budget that is too small, or a missing Dot that
            the method needs.
    """
    name = method or (BASELINE if dot is None else MORSE)
    needs = method_named(name).networks
    if "dot" in needs and dot is None:
        raise ValueError(f"method {name!r} needs a Dot; give the one of morse.dot.loading.load_dot")
    card = sampler_view(read_card("sampler", sampler) if isinstance(sampler, str) else sampler)
    ratio = 1.0 if dot is None else dot.ratio
    plan = plan_of(name, budget, ratio, default_settings(name) if settings is None else settings)
    networks = networks_of(dash, dot if "dot" in needs else None)
    device, caption = next(dash.network.parameters()).device, f"{name}, {budget} LSD"
    text = {} if prompts is None else {"prompts": encode_prompts(dash, prompts), "guidance": guidance}
    return run_part(networks, name, plan, card, seed, 0, images, batch_size, device, caption=caption, **text).images
