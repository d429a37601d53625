"""The command `morse`: a thin layer over the library.

Heavy imports are inside the commands, so that --help and list are fast.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from typer.exceptions import Abort, TyperException

from morse.experiments.cards import OWN, names, read_card, resource, summary
from morse.experiments.dot_options import changes_of, dot_means
from morse.files import DamagedFile
from morse.methods import BASELINE, METHODS, MORSE, method_named
from morse.registry import UnknownName, require_known

app = typer.Typer(help="Morse: dual-sampling for diffusion models. Settings and files: config/README.md.")

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


def _known(kind: str) -> Iterable[str]:
    return {"kind": KINDS, "method": METHODS}.get(kind) or names(kind)


def _completes(kind: str) -> Callable[[str], list[str]]:
    """Shell completion of a kind of card, of methods, or of kinds."""

    def complete(incomplete: str) -> list[str]:
        return [name for name in _known(kind) if name.startswith(incomplete)]

    return complete


Model = Annotated[str, typer.Argument(help="A model of `morse list models`.", autocompletion=_completes("model"))]


@app.command("list")
def list_(
    kind: Annotated[
        str | None,
        typer.Argument(help=f"One of {', '.join(KINDS)}; all where left out.", autocompletion=_completes("kind")),
    ] = None,
) -> None:
    """Lists what there is, a line each."""
    require_known("kind", [kind] if kind else [], KINDS)
    for plural in [kind] if kind else KINDS:
        single = plural.removesuffix("s")
        captions = {
            name: METHODS[name].caption if single == "method" else summary(single, name) for name in _known(single)
        }
        if kind is None:
            typer.echo(f"{plural}:")
        width = max(map(len, captions))
        for name, caption in captions.items():
            typer.echo(f"  {name:{width}}  {caption}".rstrip())


@app.command()
def info(model: Model) -> None:
    """Tells a model's sizes, N by FLOPs, licence, files and recipe."""
    from morse.runtime.light_import import import_unet

    card = read_card("model", model)  # before the import, so that a misspelt name fails at once
    import_unet()
    from morse.dot.info import model_info

    for key, value in model_info(model, card).items():
        typer.echo(f"{key:20}{value}")


@app.command()
def sample(
    model: Model,
    sampler: Annotated[
        str, typer.Option(help="Of `morse list samplers`.", autocompletion=_completes("sampler"))
    ] = "ddim",
    method: Annotated[str, typer.Option(help="Of `morse list methods`.", autocompletion=_completes("method"))] = MORSE,
    budget: Annotated[int, typer.Option(help="In LSD: latencies of a Dash step.", min=1)] = 8,
    images: Annotated[int, typer.Option(help="How many.", min=1)] = 16,
    out: Annotated[Path, typer.Option(help="A grid (.png), arrays (.npz), or a new folder for a PNG each.")] = Path(
        "grid.png"
    ),
    compare: Annotated[
        bool, typer.Option("--compare", help="Also the baseline's images, from the same noise.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Of the run.", min=0)] = 0,
    batch_size: Annotated[int, typer.Option(help="Images at once.", min=1)] = 100,
    device: Annotated[Device, typer.Option(help="Where to run.")] = Device.auto,
) -> None:
    """Samples images of a model into a file or folder."""
    from morse.report.image_files import image_writer

    card, needs, _ = read_card("model", model), method_named(method).networks, read_card("sampler", sampler)
    write = image_writer(out)
    from morse.runtime.light_import import import_unet

    import_unet()
    from morse.provenance import usable_cores
    from morse.runtime.device import device_of
    from morse.sampling.run import load_networks, sample

    networks = load_networks(card, needs, None, device_of(device.value, usable_cores()))
    rows = {}
    for name in dict.fromkeys([BASELINE, method] if compare else [method]):
        dot = networks.get("dot") if "dot" in METHODS[name].networks else None
        rows[name] = sample(networks["dash"], dot, sampler, name, budget, images, seed, batch_size)
    write(rows, f"{model}, {sampler}, {budget} LSD")
    typer.echo(f"{out}: {images} images by {' and by '.join(rows)}")


@app.command()
def convert(
    model: Model,
    source: Annotated[Path, typer.Argument(help="The file that its authors published, or a diffusers folder.")],
    out: Annotated[Path | None, typer.Option(help="A .safetensors file; left out: where the card says.")] = None,
    layout: Annotated[str | None, typer.Option(help="Where it is not the family's own.")] = None,
) -> None:
    """Converts published weights of a model's Dash."""
    card = read_card("model", model)
    output = out or resource(card["dash"]["file"])
    from morse.runtime.light_import import import_unet

    import_unet()
    from morse.dash.converters import convert_file

    digest = convert_file(card, source, output, layout)
    typer.echo(f"{output}: sha256 {digest}, for `dash: sha256` of the card")


def _count(help_: str) -> type:
    """A whole number from 1; left out: what the card or recipe says."""
    return Annotated[int | None, typer.Option(help=help_, min=1)]


@app.command("train-dot")
def train_dot(
    card: Annotated[
        str | None,
        typer.Argument(help="Of `morse list models`; left out with --model.", autocompletion=_completes("model")),
    ] = None,
    model: Annotated[Path | None, typer.Option(help="A diffusers folder with an unconditional UNet2DModel.")] = None,
    data: Annotated[
        str | None, typer.Option(help="A folder of images, a data set file, or none: images that Dash makes.")
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
    record = run(count, where, "morse.make_dot:make_dot", complete, model, given, output, where)
    if is_first():
        typer.echo(f"{output / 'dot.safetensors'}: loss {record['loss']:.4f}, sha256 {record['sha256']}")


def main() -> None:
    """The entry point of the command.

    An input error prints one line on stderr and exits with code 2, a file error with code 1, an
    interrupt with code 130. Letters that the terminal's encoding lacks are written as escapes.
    """
    sys.stdout.reconfigure(errors="backslashreplace")
    try:
        code = app(args=sys.argv[1:] or ["--help"], standalone_mode=False)
    except (ValueError, UnknownName) as error:
        code = _told(str(error), 2)
    except TyperException as error:
        code = _told(" ".join(error.format_message().split()), 2)
    except (DamagedFile, OSError, FloatingPointError) as error:
        code = _told(str(error), 1)
    except (KeyboardInterrupt, Abort):
        code = _told("stopped", 130)
    sys.exit(code or 0)


def _told(message: str, code: int) -> int:
    if os.environ.get("RANK", "0") == "0":
        print(f"morse: {message}", file=sys.stderr, flush=True)
    else:  # torchrun's processes have the same error, and it ends all when one ends: the first tells
        time.sleep(2)
    return code
