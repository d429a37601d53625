"""Weights in the layouts of their origins -> the state of a card's network. One layout a file.

A layout knows names, not sizes. So a narrower network of the same layout converts too.
"""

from __future__ import annotations

from pathlib import Path

import torch

from morse.checkpoints import require_state, write_state
from morse.dash.base import AUTOENCODER
from morse.dash.converters.sources import read_source
from morse.dash.converters.tokenizers import read_tokenizers
from morse.dash.loading import build_dash
from morse.experiments.cards import Card
from morse.files import DamagedFile, sha256
from morse.registry import Registry

CONVERTERS = Registry(
    "layout",
    {
        "ddim": "morse.dash.converters.ddim:convert",
        "score-sde": "morse.dash.converters.score_sde:convert",
        "openai": "morse.dash.converters.openai:convert",
        "openai-legacy": "morse.dash.converters.openai:convert_legacy",
        "ldm": "morse.dash.converters.ldm:convert",
        "stable-diffusion": "morse.dash.converters.stable_diffusion:convert",
        "diffusers": "morse.dash.converters.diffusers:convert",
    },
)
"""Layout -> function (content of the source, card's ``unet`` settings) that returns the network's
state."""

AUTOENCODERS = Registry(
    "layout of an autoencoder",
    {
        "ldm": "morse.dash.converters.ldm:convert_autoencoder",
        "stable-diffusion": "morse.dash.converters.ldm:convert_autoencoder",
        "diffusers": "morse.dash.converters.diffusers:convert_autoencoder",
    },
)
"""Layout -> function (content, source, card's ``autoencoder`` settings) that returns the
autoencoder's state."""

TEXTS = Registry(
    "layout of text models",
    {
        "stable-diffusion": "morse.dash.converters.stable_diffusion:convert_text",
        "diffusers": "morse.dash.converters.diffusers:convert_text",
    },
)
"""Layout -> function (content, source, card's ``text`` settings) that returns the text models'
states, by their names in Dash's file."""

LAYOUT_OF = {
    "ddpm": "ddim",
    "ddpmpp-vp": "score-sde",
    "iddpm": "openai-legacy",
    "adm": "openai",
    "ldm": "ldm",
    "stable-diffusion": "stable-diffusion",
}
"""Family -> the layout that its authors publish."""

WITH_EXTRAS = ("ldm", "stable-diffusion")
"""Layouts whose files hold objects of PyTorch Lightning beside the tensors."""


def convert(card: Card, source: Path, layout: str | None = None) -> dict[str, torch.Tensor]:
    """The state of a card's networks from a file or folder of its origin, with tokenizers.

    Args:
        source: the original file, or a diffusers folder. A text model's tokenizer is in the folder,
            or beside the file.
        layout: a name of :data:`CONVERTERS`; None: "diffusers" for a folder, else the
            card's or the family's.

    Raises:
        DamagedFile: one line, for a source that cannot be read, has no EMA weights, or is of
            another network.
        UnknownName: for an unknown layout.
    """
    own = card["dash"].get("layout", LAYOUT_OF.get(card["family"], "diffusers"))
    layout = layout or ("diffusers" if source.is_dir() else own)
    make = CONVERTERS[layout]
    content = read_source(source, inert=layout in WITH_EXTRAS)
    try:
        state = make(content, card["unet"])
        if "autoencoder" in card:
            beside = AUTOENCODERS[layout](content, source, card["autoencoder"])
            state |= {f"{AUTOENCODER}{name}": value for name, value in beside.items()}
        if "text" in card:
            state |= TEXTS[layout](content, source, card["text"])
    except KeyError as error:
        raise DamagedFile(f"{source} is not of the layout {layout}: it has no {error.args[0]}; check card") from error
    except ValueError as error:
        raise DamagedFile(f"{source} is not of the layout {layout}: {error}") from error
    with torch.device("meta"):  # names and shapes alone
        like = build_dash(card).state()
    found = require_state({name: value.float() for name, value in state.items()}, like, source)
    return found | (read_tokenizers(source, card["text"]) if "text" in card else {})


def convert_file(card: Card, source: Path, output: Path, layout: str | None = None) -> str:
    """Writes the converted weights as safetensors, with the source's hash in their metadata.

    Equal sources give equal bytes.

    Returns:
        The SHA-256 of the file, for the card.

    Raises:
        DamagedFile, UnknownName: as :func:`convert`.
    """
    state = convert(card, source, layout)
    files = sorted(path for path in source.rglob("*") if path.is_file()) if source.is_dir() else [source]
    write_state(state, output, source="+".join(sha256(path) for path in files))
    return sha256(output)
