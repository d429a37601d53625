r"""Training Dot: Algorithm 1 of Morse (arXiv 2506.18251)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from morse.dash.loading import load_dash
from morse.dot.chains import ChainSettings, ChainSource, Pairs
from morse.dot.loading import adapted_dot, form_of
from morse.dot.lora import own_state
from morse.dot.network import Dot, ResidualScale
from morse.experiments.cards import Card
from morse.seeds import generator
from morse.training.loop import LossFunction
from morse.training.to_file import train_to_file

CALIBRATION_DRAWS = 32
"""Draws of chains from which the residual's scale is taken, before training."""


def mean_square(x: Tensor) -> Tensor:
    """(P, C, H, W) -> (P,)."""
    return x.float().square().mean(dim=(1, 2, 3))


def calibrate_scale(scale: ResidualScale, source: ChainSource, seed: int, draws: int = CALIBRATION_DRAWS) -> None:
    """Fills the table of residual sizes from chains of Dash alone, in place. A cell without pairs
    takes its column's mean, and an empty column the mean of all."""
    rows, columns = scale.CELLS
    total, count = torch.zeros(rows, columns, dtype=torch.float64), torch.zeros(rows, columns, dtype=torch.float64)
    for draw in tqdm(range(draws), desc="size of the residual", mininterval=5):
        pairs = source.draw(generator(seed, draw, 1))  # training draws with (seed, draw, 3)
        row, column = (c.long().cpu() for c in scale.coordinates(pairs.s, pairs.t))
        values = mean_square(pairs.eps_t - pairs.eps_s).double().cpu()
        total.index_put_((row, column), values, accumulate=True)
        count.index_put_((row, column), torch.ones_like(values), accumulate=True)
    of_column = total.sum(0) / count.sum(0).clamp(min=1.0)
    of_column = torch.where(count.sum(0) > 0, of_column, total.sum() / count.sum())
    mean = torch.where(count > 0, total / count.clamp(min=1.0), of_column.expand(rows, columns))
    scale.table.copy_(mean.sqrt())


def dot_loss(dot: Dot, source: ChainSource, seed: int) -> LossFunction:
    """The mean of |eps_s + Dot - eps_t|^2 / scale^2 over a step's pairs. With a scale of 1 it is
    the paper's plain loss.

    A step's pairs follow from (seed, step) alone, so a resumed training continues with the same
    ones.
    """
    dealt = source.settings.steps
    drawn: dict[int, Pairs] = {}  # at most one draw, by its number

    def loss(step: int, rng: torch.Generator) -> Tensor:
        draw, part = divmod(step, dealt)
        if draw not in drawn:
            drawn.clear()
            of_draw = generator(seed, draw, 3)
            pairs = source.draw(of_draw)
            drawn[draw] = pairs[torch.randperm(source.settings.pairs, generator=of_draw).to(pairs.t.device)]
        size = source.settings.pairs_per_step
        pairs = drawn[draw][part * size : (part + 1) * size]
        residual = dot(*pairs.of_dot)
        error = mean_square(pairs.eps_s + residual - pairs.eps_t)
        return (error / dot.scale(pairs.s, pairs.t).square()).mean()

    return loss


def train_dot(
    card: Card,
    dash_weights: Path,
    images: np.ndarray,
    output: Path,
    device: torch.device | str = "cpu",
    labels: np.ndarray | None = None,
) -> dict[str, Any]:
    """Trains the card's Dot and writes what it adds to Dash
    (:func:`morse.training.to_file.train_to_file`).

    Args:
        dash_weights: the file of Dash, to which Dot is then bound.
        images: (n, C, H, W) uint8.
        labels: (n,) their classes; used if Dash takes classes.
    """
    recipe = card["dot"]["training"]
    dash = load_dash(card, dash_weights, device=device)
    bound_to = {"dash": dash.weights, "form": form_of(card)}

    def make() -> tuple[nn.Module, LossFunction]:
        dot = adapted_dot(card, dash).to(device)
        source = ChainSource(dash, images, ChainSettings(**recipe["chain"]), device, labels)
        if source.settings.normalise and not output.with_suffix(".resume").exists():
            calibrate_scale(dot.scale, source, recipe["train"].get("seed", 0))
        return dot, dot_loss(dot, source, recipe["train"].get("seed", 0))

    # One entry of metadata: safetensors writes several in random order, and equal weights should
    # give equal files.
    return train_to_file(
        make,
        recipe,
        output,
        "Dot",
        made_of={"dash": dash.weights, "dot": form_of(card)},
        state=own_state,
        made_for=json.dumps(bound_to),
    )
