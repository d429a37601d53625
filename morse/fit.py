"""Does a card fit itself, and the cards that it names? What no schema can say.

Each check is what a job would find, perhaps hours later. Nothing here loads a network or an image.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from morse.dash import FAMILIES
from morse.data.loading import shapes_of
from morse.dot.chain_settings import chain_settings
from morse.experiments.axes import Run
from morse.experiments.cards import OWN, Card, Cards, resource
from morse.experiments.shapes import image_shape
from morse.methods import METHODS
from morse.registry import UnknownName, require_known, unknown
from morse.samplers import make_sampler
from morse.schedules.grids import GRIDS
from morse.schedules.noise import DiscreteSchedule, NoiseSchedule
from morse.schedules.presets import make_schedule

NORM_GROUPS = 32
"""Groups of the normalisations where a card does not say (:func:`morse.dash.unet.make_unet`)."""


def schedule_of(model: Card) -> NoiseSchedule:
    """The noise schedule of a model's card. Raises ValueError, one line, for wrong settings."""
    try:
        return make_schedule(model["schedule"])
    except (UnknownName, TypeError, ValueError) as error:
        raise ValueError(f"schedule: {error}") from error


def time_of(model: Card) -> str:
    """The time of the noise schedule in a model's card: "discrete" or "continuous"."""
    return "discrete" if isinstance(schedule_of(model), DiscreteSchedule) else "continuous"


def check_dash(model: Card) -> None:
    """Whether a model's network can be built, and takes its images.

    Raises:
        ValueError: one line that names the key and what would fit.
    """
    require_known("family", [model["family"]], FAMILIES)
    schedule_of(model)
    unet = model["unet"]
    levels, groups = len(unet["block_out_channels"]), unet.get("norm_num_groups", NORM_GROUPS)
    if beyond := [level for level in unet["attention_levels"] if level >= levels]:
        raise ValueError(f"unet: attention_levels: {beyond[0]} is not among the levels 0 to {levels - 1}")
    if odd := [channels for channels in unet["block_out_channels"] if channels % groups]:
        raise ValueError(f"unet: norm_num_groups: {groups} groups do not divide {odd[0]} of block_out_channels")
    _check_halvings(unet["sample_size"], levels - 1, "unet: sample_size", "block_out_channels with fewer levels")
    if {"codes", "tile"} <= {*model.get("autoencoder", {})}:
        raise ValueError("autoencoder: tile: a VQ autoencoder is not decoded in tiles; take it out")


def check_dot(model: Card, trained: bool) -> None:
    """Whether a model's Dot can be built, and has a file or a recipe.

    Raises ValueError as :func:`check_dash` does.

    Args:
        trained: whether it is trained, in this run or by the rule zoo.
    """
    dot, unet = model["dot"], model["unet"]
    halvings = len(dot["channels"]) + len(unet["block_out_channels"]) - 1
    _check_halvings(unet["sample_size"], halvings, "dot: channels", "fewer extra blocks")
    if not trained and (missing := {"file", "sha256"} - {*dot}):
        raise ValueError(f"dot: {min(missing)} is missing; name the shipped file, or set source: train")
    try:
        settings = chain_settings(dot)
        require_known("grid", settings.grids, GRIDS)
        for grid in settings.grids:
            GRIDS[grid](schedule_of(model), settings.most_calls)
    except ValueError as error:
        raise ValueError(f"dot: training: chain: {error}") from error


def check_training(where: str, training: Card, model: Card, cards: Cards) -> None:
    """Whether a training's data exist and are of the model's shape, or can be made by Dash. Raises
    ValueError as :func:`check_dash` does."""
    if training["data"] == OWN:
        own = training["own"]
        require_known(f"sampler in {where}: own", [own["sampler"]], cards["sampler"])
        try:
            check_sampler_fits(cards["sampler"][own["sampler"]], model, own["calls"])
        except (UnknownName, TypeError, ValueError) as error:
            raise ValueError(f"{where}: own: {error}") from error
        return
    require_known(f"task in {where}: data", [training["data"]], cards["task"])
    check_images(cards["task"][training["data"]]["data"], training["split"], *image_shape(model)[:2])


def check_images(data: Card, split: str, channels: int, size: int) -> None:
    """Whether a network takes the images of a split.

    Args:
        data: of a task's card; its file is there.

    Raises:
        ValueError: one line, for a split that the file does not have, or images that a network of
            ``channels`` and ``size`` does not take.
    """
    shapes = shapes_in(data)
    if split not in shapes:
        raise ValueError(f"{unknown('split of ' + data['file'], split, shapes)} (it has: {', '.join(sorted(shapes))})")
    _, has, height, width = shapes[split]
    if has != channels:
        raise ValueError(f"{data['file']} has images of {has} channels, the network takes {channels}")
    if height != width or height > size or (size - height) % 2:
        raise ValueError(f"{data['file']} has images of {height} x {width}, which cannot be centred in {size} x {size}")


def shapes_in(data: Card) -> dict[str, tuple[int, int, int, int]]:
    """Split -> (n, C, H, W) of a task's data. Data that are not prepared yet have what the card
    states."""
    path = resource(data["file"])
    if "kind" in data and not path.is_file():
        return {
            split: (n, data.get("channels", 3), data["size"], data["size"])
            for split, n in data.get("images", {}).items()
        }
    return shapes_of(path)


def check_task(task: Card, cards: Cards, shape: tuple[int, int, int]) -> None:
    """Whether a task's extractors read its images. Raises ValueError as :func:`check_dash` does.

    Args:
        shape: (C, H, W) of the images.
    """
    for key in ("statistics", "published"):
        require_known(f"extractor in reference: {key}", task["reference"].get(key) or {}, cards["extractor"])
    for name in task["extractors"]:
        if (reads := cards["extractor"][name].get("shape", list(shape))) != list(shape):
            raise ValueError(f"extractors: {name} reads images of {tuple(reads)} alone, not {shape}; take another")


def check_sampler_fits(sampler: Card, model: Card, calls: int) -> bool:
    """Makes the sampler of a run; returns whether it is stochastic.

    Raises:
        ValueError, UnknownName: one line, for wrong options, a number of calls that the sampler
            cannot make, or a variance that the network has not learned.
    """
    made = make_sampler(sampler, schedule_of(model), calls)
    if made.learned_variance and not model["unet"].get("learned_variance"):
        raise ValueError("the model's network has no learned variance; use variance: fixed_small")
    return made.stochastic


def _check_halvings(size: int, halvings: int, key: str, other: str) -> None:
    if size % (step := 2**halvings):
        raise ValueError(
            f"{key}: images of {size} are halved {halvings} times, and {step} does not divide {size}; "
            f"use {other} or another size"
        )


def check_extractor_training(extractor: Card, cards: Cards) -> None:
    """Whether the data of an extractor's training exist and are of its shape. Raises ValueError as
    :func:`check_dash` does."""
    training, (channels, size, _) = extractor["training"], extractor["shape"]
    require_known("task in training: data", [training["data"]], cards["task"])
    for split in (training["split"], "test"):  # the second gives the accuracy
        check_images(cards["task"][training["data"]]["data"], split, channels, size)


@contextmanager
def _of(kind: str, name: str) -> Iterator[None]:
    """Says in an error which card it is about."""
    try:
        yield
    except (UnknownName, ValueError) as error:
        raise ValueError(f"configuration: {kind} {name!r}: {error}") from error


def check_models(cards: Cards, runs: Iterable[Run]) -> None:
    """Models that the runs use must be possible; no data are read. Raises ValueError, one line."""
    with_dot = _with_dot(runs)
    for name in sorted({run["model"] for run in runs}):
        model = cards["model"][name]
        with _of("model", name):
            check_dash(model)
            if name in with_dot:
                check_dot(model, trained=model["dot"]["source"] == "train")


def _with_dot(runs: Iterable[Run]) -> set[str]:
    return {run["model"] for run in runs if "dot" in METHODS[run["method"]].networks}


def check_data(cards: Cards, runs: Iterable[Run]) -> None:
    """Data that the runs read must be of the shape that networks and extractors take.

    Raises ValueError, one line.
    """
    for name in sorted(_with_dot(runs)):
        model = cards["model"][name]
        with _of("model", name):
            if model["dot"]["source"] == "train":
                check_training("dot: training", model["dot"]["training"], model, cards)
            # What Dot explains is measured on images that it was not trained on.
            check_training("dot: training", {**model["dot"]["training"], "split": "test"}, model, cards)
    for name, task in sorted({(run["model"], run["task"]) for run in runs}):
        card = cards["task"][task]
        shape = image_shape(cards["model"][name])
        with _of("task", task):
            check_images(card["data"], card["reference"]["split"], *shape[:2])
            check_task(card, cards, (shape[0], *[card["data"]["size"]] * 2))


def check_zoo(cards: Cards) -> None:
    """Trainings of all cards that have a recipe must be possible. Raises ValueError, one line."""
    for name, model in cards["model"].items():
        if "training" in model:
            with _of("model", name):
                check_dash(model)
                check_dot(model, trained=True)
                if model["unet"].get("learned_variance"):
                    raise ValueError("training: a learned variance is not trained here; take `training` out")
                for where, training in (("training", model), ("dot: training", model["dot"])):
                    check_training(where, training["training"], model, cards)
    for name, extractor in cards["extractor"].items():
        if "training" in extractor:
            with _of("extractor", name):
                check_extractor_training(extractor, cards)
