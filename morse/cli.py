"""The command `morse`: a thin layer over the library.

Heavy imports are inside the commands, so that --help and list are fast.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from typer.exceptions import Abort, TyperException

from morse.cli_scale import KINDS, Device, Model, completes, known, scale
from morse.experiments.cards import read_card, summary
from morse.experiments.shapes import takes_guidance
from morse.files import DamagedFile
from morse.methods import BASELINE, METHODS, MORSE, method_named
from morse.registry import UnknownName, require_known

app = typer.Typer(help="Morse: dual-sampling for diffusion models. Settings and files: config/README.md.")
app.add_typer(scale)


@app.command("list")
def list_(
    kind: Annotated[
        str | None,
        typer.Argument(help=f"One of {', '.join(KINDS)}; all where left out.", autocompletion=completes("kind")),
    ] = None,
) -> None:
    """Lists what there is, a line each."""
    require_known("kind", [kind] if kind else [], KINDS)
    for plural in [kind] if kind else KINDS:
        single = plural.removesuffix("s")
        captions = {
            name: METHODS[name].caption if single == "method" else summary(single, name) for name in known(single)
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
        str, typer.Option(help="Of `morse list samplers`.", autocompletion=completes("sampler"))
    ] = "ddim",
    method: Annotated[str, typer.Option(help="Of `morse list methods`.", autocompletion=completes("method"))] = MORSE,
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
    prompt: Annotated[list[str] | None, typer.Option(help="Of a text model; several times for several.")] = None,
    guidance: Annotated[float, typer.Option(help="Guidance scale of a text model.", min=0)] = 7.5,
    device: Annotated[Device, typer.Option(help="Where to run.")] = Device.auto,
) -> None:
    """Samples images of a model into a file or folder."""
    from morse.report.image_files import image_writer

    card, needs, _ = read_card("model", model), method_named(method).networks, read_card("sampler", sampler)
    if takes_guidance(card) != bool(prompt):
        raise ValueError(f"{model} takes {'--prompt, a text' if not prompt else 'no --prompt; leave it out'}")
    write = image_writer(out)
    from morse.runtime.light_import import import_unet

    import_unet()
    from morse.provenance import usable_cores
    from morse.runtime.device import device_of
    from morse.sampling.run import load_networks, sample

    networks = load_networks(card, needs, None, device_of(device.value, usable_cores()), bool(prompt))
    rows = {}
    for name in dict.fromkeys([BASELINE, method] if compare else [method]):
        dot = networks.get("dot") if "dot" in METHODS[name].networks else None
        how = sampler, name, budget, images, seed, batch_size, None, prompt, guidance
        rows[name] = sample(networks["dash"], dot, *how)
    write(rows, f"{model}, {sampler}, {budget} LSD")
    typer.echo(f"{out}: {images} images by {' and by '.join(rows)}")


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
