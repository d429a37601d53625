r"""Training Dot: Algorithm 1 of Morse (arXiv 2506.18251)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from morse.dash.loading import load_dash
from morse.data.loading import load_split
from morse.dot.chain_settings import chain_settings
from morse.dot.chain_times import ChainTimes
from morse.dot.chains import Chains, ChainSettings, ChainSource
from morse.dot.loading import adapted_dot, dash_for, form_of
from morse.dot.lora import own_state
from morse.dot.network import Dot
from morse.dot.residual_scale import ResidualScale
from morse.dot.trunk import checkpoint_gradients
from morse.experiments.cards import Card
from morse.seeds import generator
from morse.training.distributed import agreed, rank, summed, together, world
from morse.training.loop import LossFunction, TrainSettings
from morse.training.to_file import train_to_file

CALIBRATION_DRAWS = 32
"""Draws of chains from which the residual's scale is taken, before training."""


def mean_square(x: Tensor) -> Tensor:
    """(P, C, H, W) -> (P,)."""
    return x.float().square().mean(dim=(1, 2, 3))


def calibrate_scale(scale: ResidualScale, source: ChainSource, seed: int, draws: int = CALIBRATION_DRAWS) -> None:
    """Fills the table of residual sizes from chains of Dash alone, in place. A cell without pairs
    takes its column's mean, and an empty column the mean of all.

    Each process counts its own chains, and all get the table of all.
    """
    rows, columns = scale.CELLS
    sums = torch.zeros(2, rows, columns, dtype=torch.float64)  # of squares, and of pairs
    for draw in tqdm(range(draws), desc="size of the residual", mininterval=5, disable=rank() > 0):
        pairs = source.draw(generator(seed, draw, 1))  # training draws with (seed, draw, 3)
        row, column = (c.long().cpu() for c in scale.coordinates(pairs.s, pairs.t))
        values = mean_square(pairs.eps_t - pairs.eps_s).double().cpu()
        sums[0].index_put_((row, column), values, accumulate=True)
        sums[1].index_put_((row, column), torch.ones_like(values), accumulate=True)
    total, count = summed(sums.to(scale.table.device)).cpu()
    of_column = total.sum(0) / count.sum(0).clamp(min=1.0)
    of_column = torch.where(count.sum(0) > 0, of_column, total.sum() / count.sum())
    mean = torch.where(count > 0, total / count.clamp(min=1.0), of_column.expand(rows, columns))
    scale.table.copy_(mean.sqrt())


@torch.no_grad()
def importance(scale: ResidualScale, times: ChainTimes, settings: ChainSettings, index: Tensor | None = None) -> Tensor:
    """How much samples count in the loss, (P,).

    It is the square of what their residual's size does to the final image, to the power of the
    settings.

    Args:
        times: of the chains.
        index: of :meth:`morse.dot.chain_times.ChainTimes.places`.
    """
    places, chain = times.places(settings, index)
    _, s, t = places.unbind(1)
    size = scale(*(times.t[place, chain].to(scale.table.device) for place in (s, t)))
    return (times.effects[t, chain].to(size) * size).square() ** settings.importance


def dot_loss(dot: Dot, source: ChainSource, seed: int, accumulate: int = 1) -> LossFunction:
    """The mean of |eps_s + Dot - eps_t|^2 / scale^2 over a step's pairs, each times its
    :func:`importance` over the mean of all of the draw. With a scale of 1 and an importance of 0 it
    is the paper's plain loss.

    A step's pairs follow from (seed, step) alone, so a resumed training continues with the same
    ones. Each process has those of its own chains.

    Args:
        accumulate: in how many parts they are computed. More parts take less memory, and change the
            gradient by rounding only.
    """
    settings = source.settings
    # At most one draw, by its number: its chains, the order of its pairs, their mean importance.
    drawn: dict[int, tuple[Chains, Tensor, Tensor]] = {}

    def of_part(chains: Chains, index: Tensor, mean: Tensor) -> Tensor:
        pairs = chains.pairs(index)
        residual = dot(*pairs.of_dot)
        error = mean_square(pairs.eps_s + residual - pairs.eps_t)
        if settings.importance:
            error = error * importance(dot.scale, chains.times, settings, index) / mean
        return (error / dot.scale(pairs.s, pairs.t).square()).sum() / settings.pairs_per_step

    def loss(step: int, rng: torch.Generator) -> Tensor | Iterable[Tensor]:
        draw, part = divmod(step, settings.steps)
        if draw not in drawn:
            drawn.clear()
            of_draw = generator(seed, draw, 3)
            chains = source.draw_chains(of_draw)
            order = torch.randperm(settings.pairs, generator=of_draw)
            drawn[draw] = chains, order, importance(dot.scale, chains.of_all, settings).mean()
        chains, order, mean = drawn[draw]
        index = source.own(order[part * settings.pairs_per_step : (part + 1) * settings.pairs_per_step])
        parts = [one for one in index.tensor_split(accumulate) if len(one)]
        return of_part(chains, parts[0], mean) if len(parts) == 1 else (of_part(chains, one, mean) for one in parts)

    return loss


def train_dot(
    card: Card,
    dash_weights: Path,
    images: np.ndarray,
    output: Path,
    device: torch.device | str = "cpu",
    labels: np.ndarray | None = None,
    identity: str = "",
    captions: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Trains the card's Dot and writes what it adds to Dash
    (:func:`morse.training.to_file.train_to_file`).

    Each of several processes calls it with the same arguments.

    Args:
        dash_weights: the file of Dash, to which Dot is then bound.
        images: (n, C, H, W) uint8.
        labels: (n,) their classes; used if Dash takes classes.
        captions: of the images; used if Dash takes prompts.
        identity: of the data, if known. A killed training resumes with the same ones only.
    """
    recipe = card["dot"]["training"]
    settings = chain_settings(card["dot"])
    seed = recipe["train"].get("seed", 0)
    accumulate = recipe.get("accumulate", 1)
    every = TrainSettings(**recipe["train"]).checkpoint_every
    if settings.on_policy and every % settings.steps:
        # A draw depends on Dot's weights then, so a resumed training has to begin with a draw.
        raise ValueError(
            f"dot: training: checkpoint_every: {every} is not a multiple of the {settings.steps} steps of a draw, "
            f"as on_policy needs; set it to {max(1, round(every / settings.steps)) * settings.steps}"
        )
    with together():
        dash = load_dash(card, dash_weights, device=device)
    bound_to = {"dash": dash.weights, "form": form_of(card)}

    def make() -> tuple[nn.Module, LossFunction]:
        with together():
            dot = adapted_dot(card, dash).to(device)
            what = labels, rank(), world(), accumulate, captions, dot.takes.estimates, dot
            source = ChainSource(dash_for(dot, dash), images, settings, device, *what)
        if settings.normalise and not agreed(output.with_suffix(".resume").exists(), "a resume point:"):
            calibrate_scale(dot.scale, source, seed)
        if recipe.get("gradient_checkpointing"):
            checkpoint_gradients(dot)
        return dot, dot_loss(dot, source, seed, accumulate)

    # One entry of metadata: safetensors writes several in random order, and equal weights should
    # give equal files.
    return train_to_file(
        make,
        recipe,
        output,
        "Dot",
        made_of={"dash": dash.weights, "dot": form_of(card)} | ({"data": identity} if identity else {}),
        state=own_state,
        made_for=json.dumps(bound_to),
    )


def train_dot_on(
    card: Card, data: Mapping[str, Any], dash_weights: Path, output: Path, device: torch.device | str = "cpu"
) -> dict[str, Any]:
    """As :func:`train_dot`, of a data set that each process reads itself.

    Args:
        data: of a task's card; the split is the recipe's.
    """
    with together():
        split = load_split(data, card["dot"]["training"]["split"])
    return train_dot(card, dash_weights, split.images, output, device, split.labels, split.identity, split.captions)
