"""Commands of the command line for work at the paper's scale: convert, fetch, cost, train-dot.

Also what all commands share. Heavy imports are inside the commands.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from morse.experiments.cards import OWN, names, read_card, resource
from morse.experiments.configuration import read_configuration
from morse.experiments.dot_options import changes_of, dot_means
from morse.experiments.sources import published_by
from morse.files import DamagedFile, sha256
from morse.forecast.throughput import GPUS
from morse.methods import METHODS
from morse.published import origin

scale = typer.Typer()

KINDS = ("models", "tasks", "samplers", "methods", "extractors")
"""What `morse list` lists."""


class Device(StrEnum):
    """Where networks run."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


class Precision(StrEnum):
    """What a training computes in."""

    auto = "auto"
    float32 = "float32"
    bfloat16 = "bfloat16"


def known(kind: str) -> Iterable[str]:
    """The names of a kind of card, of methods, or of kinds."""
    return {"kind": KINDS, "method": METHODS}.get(kind) or names(kind)


def completes(kind: str) -> Callable[[str], list[str]]:
    """Shell completion of a kind of card, of methods, or of kinds."""

    def complete(incomplete: str) -> list[str]:
        return [name for name in known(kind) if name.startswith(incomplete)]

    return complete


Model = Annotated[str, typer.Argument(help="A model of `morse list models`.", autocompletion=completes("model"))]


@scale.command()
def convert(
    model: Model,
    source: Annotated[
        Path | None,
        typer.Argument(help="The file that its authors published, or a diffusers folder; left out: the fetched one."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="A .safetensors file; left out: where the card says.")] = None,
    layout: Annotated[str | None, typer.Option(help="Where it is not the family's own.")] = None,
) -> None:
    """Converts published weights of a model's Dash."""
    card = read_card("model", model)
    source = source or origin([one.path for one in published_by([model], {})])
    output = out or resource(card["dash"]["file"])
    from morse.runtime.light_import import import_unet

    import_unet()
    from morse.dash.converters import convert_file

    digest = convert_file(card, source, output, layout)
    typer.echo(f"{output}: sha256 {digest}, for `dash: sha256` of the card")


@scale.command()
def fetch(
    name: Annotated[list[str], typer.Argument(help="Models, tasks or extractors of `morse list`.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    from_dir: Annotated[Path | None, typer.Option(help="Take the files that lie here; fetch nothing.")] = None,
    configfile: Annotated[list[Path] | None, typer.Option(help="Whose overrides of cards count.")] = None,
) -> None:
    """Fetches what others publish: weights, data sets. Nothing else uses the network."""
    from morse.fetching.fetch import fetch_all

    sources = published_by(name, read_configuration(configfile)["overrides"] if configfile else {})

    def ask(question: str) -> bool:
        if not sys.stdin.isatty() and not yes:
            raise ValueError("there is no terminal to ask at; give --yes")
        return yes or typer.confirm(question)

    if faults := fetch_all(sources, typer.echo, ask, from_dir):
        for fault in faults[:-1]:
            typer.echo(f"morse: {fault}", err=True)
        raise DamagedFile(faults[-1])


@scale.command()
def prepare(
    task: Annotated[str, typer.Argument(help="Of `morse list tasks`.", autocompletion=completes("task"))],
    configfile: Annotated[list[Path] | None, typer.Option(help="Whose overrides of cards count.")] = None,
) -> None:
    """Prepares a task's data from their published files, or a folder of images."""
    from morse.data.preparing import prepare_data

    overrides = read_configuration(configfile)["overrides"] if configfile else {}
    path = prepare_data(task, read_card("task", task, overrides.get("tasks", {}).get(task))["data"])
    typer.echo(f"{path}: sha256 {sha256(path)}, for `data: sha256` of the card")


@scale.command()
def cost(
    configfile: Annotated[
        list[Path] | None, typer.Option(help="As for snakemake; left out: config.yaml and paper.yaml.")
    ] = None,
    gpu: Annotated[str, typer.Option(help=f"One of {', '.join(GPUS)}.")] = "a100",
    flops: Annotated[float | None, typer.Option(help="FLOPs a second that are reached, instead of --gpu.")] = None,
    measure: Annotated[bool, typer.Option("--measure", help="Time each Dash on this machine instead.")] = False,
    budgets: Annotated[str | None, typer.Option(help="Only these, such as 5,10,20.")] = None,
    images: Annotated[int | None, typer.Option(help="Of each run; left out: the configuration's.", min=1)] = None,
) -> None:
    """Tells what a configuration costs, before anyone starts it: GPU hours, disk, memory."""
    from morse.forecast.table import forecast

    files = configfile or [resource("config/config.yaml"), resource("config/paper.yaml")]
    typer.echo(forecast(files, gpu, flops, measure, budgets, images))


def _count(help_: str) -> type:
    """A whole number from 1; left out: what the card or recipe says."""
    return Annotated[int | None, typer.Option(help=help_, min=1)]


@scale.command("train-dot")
def train_dot(
    card: Annotated[
        str | None,
        typer.Argument(help="Of `morse list models`; left out with --model.", autocompletion=completes("model")),
    ] = None,
    model: Annotated[
        Path | None, typer.Option(help="A diffusers folder: an unconditional UNet2DModel, or text to image.")
    ] = None,
    data: Annotated[
        str | None, typer.Option(help="A folder of images, a data set file, or none: images that Dash makes.")
    ] = None,
    captions: Annotated[
        Path | None, typer.Option(help="Of a folder of images, for a text model: .json, .jsonl or .csv.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="A folder; left out: results/trained/NAME.")] = None,
    steps: _count("Optimiser steps.") = None,
    batch: _count("Chains of a draw.") = None,
    accumulate: _count("Parts of a step, computed one after the other.") = None,
    channels: Annotated[list[int] | None, typer.Option(help="Of Dot's extra blocks; once for each.", min=1)] = None,
    precision: Annotated[Precision | None, typer.Option(help="What it computes in.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of the training.", min=0)] = None,
    checkpointing: Annotated[bool | None, typer.Option(help="Less memory, more time.")] = None,
    processes: _count("That train together, on GPUs one each. torchrun starts its own.") = None,
    device: Annotated[Device, typer.Option(help="Where to run.")] = Device.auto,
) -> None:
    """Trains a Dot for a model of a card, or of a diffusers folder. A killed training resumes."""
    if (card is None) == (model is None):
        raise ValueError("name either a card of `morse list models`, or a diffusers folder by --model")
    if model and data is None:
        raise ValueError(f"give --data FOLDER, a folder of images, or --data {OWN}: images that the model makes")
    options = {"steps": steps, "batch": batch, "accumulate": accumulate, "channels": channels, "seed": seed}
    options |= {"checkpointing": checkpointing, "processes": processes, "data": data}
    changes = changes_of(options | {"precision": precision and precision.value})
    complete = read_card("model", card, changes) if card else None
    from morse.runtime.light_import import import_unet

    import_unet()
    from morse.make_dot import card_of_folder, described
    from morse.provenance import usable_cores
    from morse.runtime.device import device_of
    from morse.training.distributed import is_first, members, run

    complete = complete or card_of_folder(model, changes, "own-data")
    count, output = dot_means(complete)["processes"], out or Path("results", "trained", card or model.resolve().name)
    for key, value in described(complete, members(count)).items() if is_first() else ():
        typer.echo(f"{key:20}{value}")
    given, where = None if data == OWN else data, device_of(device.value, usable_cores())
    record = run(count, where, "morse.make_dot:make_dot", complete, model, given, output, where, captions)
    if is_first():
        typer.echo(f"{output / 'dot.safetensors'}: loss {record['loss']:.4f}, sha256 {record['sha256']}")
