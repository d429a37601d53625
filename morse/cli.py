"""The command `morse`: a thin layer over the library.

Heavy imports are inside the commands, so that --help and list are fast.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from typer.exceptions import Abort, TyperException

from morse.experiments.cards import names, read_card, resource, summary
from morse.experiments.configuration import read_configuration
from morse.experiments.sources import published_by
from morse.files import DamagedFile
from morse.forecast.throughput import GPUS
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


@app.command()
def fetch(
    name: Annotated[list[str], typer.Argument(help="Models, tasks or extractors of `morse list`.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    from_dir: Annotated[Path | None, typer.Option(help="Take the files that lie here; fetch nothing.")] = None,
    configfile: Annotated[list[Path] | None, typer.Option(help="Whose overrides of cards count.")] = None,
) -> None:
    """Fetches what others publish: weights, data sets. Nothing else uses the network."""
    from morse.fetching.fetch import fetch_all

    sources = published_by(name, read_configuration(configfile)["overrides"] if configfile else {})
    if not sys.stdin.isatty() and not yes:
        raise ValueError("there is no terminal to ask at; give --yes")
    if faults := fetch_all(sources, typer.echo, lambda question: yes or typer.confirm(question), from_dir):
        raise DamagedFile("; ".join(faults))


@app.command()
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
    except (DamagedFile, OSError) as error:
        code = _told(str(error), 1)
    except (KeyboardInterrupt, Abort):
        code = _told("stopped", 130)
    sys.exit(code or 0)


def _told(message: str, code: int) -> int:
    print(f"morse: {message}", file=sys.stderr)
    return code
