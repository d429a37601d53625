r"""The work of a configuration's runs, by model, counted before any of it is done.

FLOPs of sampling are

.. math:: \mathrm{images} \cdot \sum_{\mathrm{runs}} \sum_{\mathrm{calls}} \mathrm{FLOPs(call)},

with the calls of each run's plan. Those of training Dot, of searches for plans and of features come
on top. FLOPs of tables, of metrics and of timing are left out. Timing makes a batch of each run
once more than it has rounds, which is little where runs have many batches.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from morse.dot.chain_settings import chain_settings
from morse.dot.sizes import FLOAT32, Sizes, sampling_bytes, sizes_of, training_bytes
from morse.dot.training import CALIBRATION_DRAWS
from morse.experiments.axes import Run
from morse.experiments.cards import Card, Cards, method_view, searches
from morse.experiments.shapes import image_shape, images_of_run
from morse.methods import METHODS
from morse.methods.forecast_plans import FORECAST
from morse.methods.plans import DASH, DOT
from morse.sampling.run import nominal_ratio


@dataclass(frozen=True)
class Work:
    """What the runs of one model need.

    Attributes:
        runs: how many.
        calls: letter of a method's call -> calls, each on one image.
        sampling, training, features: FLOPs. Encoding of prompts is part of sampling.
        memory: bytes of the larger of sampling a batch and a training step of Dot.
        kept: bytes on disk that stay: weights, features, encoded prompts. A prepared data set is
            not included.
        passing: bytes of the images of one run, which go when its features are there.
    """

    model: str
    runs: int
    calls: Mapping[str, int]
    sampling: float
    training: float
    features: float
    memory: int
    kept: int
    passing: int

    @property
    def flops(self) -> float:
        """All FLOPs."""
        return self.sampling + self.training + self.features


def work_of(config: Mapping[str, Any], cards: Cards, runs: Sequence[Run], images: int | None = None) -> list[Work]:
    """The work of runs, a model each.

    Args:
        config, cards: as for :func:`morse.preflight.preflight`.
        images: of each run; None: the configuration's.
    """
    models = dict.fromkeys(run["model"] for run in runs)
    config = config | {"images": images or config["images"]}
    return [_of_model(config, cards, [run for run in runs if run["model"] == name]) for name in models]


def _of_model(config: Mapping[str, Any], cards: Cards, runs: Sequence[Run]) -> Work:
    name = runs[0]["model"]
    images = max(images_of_run(config, cards["task"][run["task"]]) for run in runs)
    card = cards["model"][name]
    with_dot = any("dot" in METHODS[run["method"]].networks for run in runs)
    calls: Counter[str] = Counter()
    for run in runs:
        calls.update({letter: count * images for letter, count in Counter(letters_of(config, card, run)).items()})
    batch = min(images, card.get("batch_size", config["batch_size"]))
    trains = with_dot and card["dot"]["source"] == "train"
    sizes, memory = _networks(json.dumps(card), batch, with_dot, trains)
    extractors = [
        cards["extractor"][extractor] for run in runs for extractor in cards["task"][run["task"]]["extractors"]
    ]
    of_image = math.prod(image_shape(card))
    file = sizes.dash_parameters + sizes.autoencoder_parameters + sizes.text_parameters
    weights = FLOAT32 * (2 * file + (sizes.dot_parameters if with_dot else 0))  # Dash's as published, too
    prompts = images * len({run["task"] for run in runs})  # encoded once for all runs of a task
    features = sum(extractor["dimension"] for extractor in extractors)
    return Work(
        model=name,
        runs=len(runs),
        calls=dict(calls),
        sampling=sum(count * _call(letter, sizes) for letter, count in calls.items())
        + len(runs) * images * sizes.decode
        + prompts * sizes.encode
        + _searching(config, sizes, runs),
        training=training_flops(card, sizes) if trains else 0.0,
        features=images * sum(extractor.get("gflops", 0.0) * 1e9 for extractor in extractors),
        memory=memory,
        kept=weights + prompts * sizes.prompt + images * FLOAT32 * features,
        passing=images * of_image,
    )


@cache
def _networks(card: str, batch: int, with_dot: bool, trains: bool) -> tuple[Sizes, int]:
    """Sizes, and bytes of memory, of a card as JSON. Counting takes seconds, so it is done once."""
    content = json.loads(card)
    memory = sampling_bytes(content, batch, with_dot)
    if trains:
        recipe = content["dot"]["training"]
        pairs = -(-chain_settings(content["dot"]).pairs_per_step // recipe.get("accumulate", 1))
        memory = max(memory, training_bytes(content, pairs))
    return sizes_of(content), memory


def letters_of(config: Mapping[str, Any], card: Card, run: Run) -> str:
    """The calls of a run, a letter each. For a searched plan they are the paper's, which has as
    many."""
    settings = method_view(config, run["method"])
    if searches(config, run["method"]):
        settings = {"policy": "paper", "paper": config[run["method"]]["paper"]}
    return METHODS[run["method"]].plan(run["budget"], nominal_ratio(card), settings).letters


def _call(letter: str, sizes: Sizes) -> float:
    """FLOPs of a call on one image. A forecast is next to none. Calls that other methods add count
    as Dash's."""
    return {DASH: sizes.dash.total, DOT: sizes.dot.total, FORECAST: 0}.get(letter, sizes.dash.total)


def _searching(config: Mapping[str, Any], sizes: Sizes, runs: Iterable[Run]) -> float:
    """FLOPs of searches for plans: a fine run for each sampler and method, and all candidates."""
    total = 0.0
    searched = [run for run in runs if searches(config, run["method"])]
    for method, _ in {(run["method"], run["sampler"]) for run in searched}:
        auto = config[method]["auto"]
        total += auto["images"] * auto["fine_calls"] * sizes.dash.total
    for method, _, budget in {(run["method"], run["sampler"], run["budget"]) for run in searched}:
        auto = config[method]["auto"]
        total += auto["images"] * len(auto["shares"]) * len(auto["leans"]) * budget * sizes.dash.total
    return total


def training_flops(card: Card, sizes: Sizes) -> float:
    """FLOPs of training Dot: its own passes over the pairs, Dash's calls on the chains, and a
    prompt's encoding for each chain. Left out are an autoencoder's encoding of images, and Dot's
    own steps on policy."""
    recipe = card["dot"]["training"]
    chain, steps = chain_settings(card["dot"]), recipe["train"]["steps"]
    draws = -(-steps // chain.steps) + (CALIBRATION_DRAWS if chain.normalise else 0)
    of_chain = chain.points * sizes.dash.total + sizes.encode
    return steps * chain.pairs_per_step * sizes.step.total + draws * chain.chains * of_chain
