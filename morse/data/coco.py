"""MS-COCO 2014 (Lin et al. 2014, arXiv 1405.0312): its validation images with a caption each.

Papers on text-to-image models take 30,000 prompts of these images, without saying which. Ours, the
split ``prompts``, are drawn by a stated rule with a seed: so many distinct images, from all images
in the order of their numbers, without replacement; then for each a caption, from its captions in
the order of their numbers. The other images follow in the order of their numbers, each with its
first caption. An image is cropped to its middle and shrunk; the few with a short side below the
size are enlarged.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from morse.data.captions import tidy
from morse.data.originals import hash_of_names, missing, reading, require_stated
from morse.data.pictures import RULE, picture, squared
from morse.data.prepared import write_prepared
from morse.files import sha256

IMAGES, ZIP = "val2014", "val2014.zip"
CAPTIONS, ANNOTATIONS = "captions_val2014.json", "annotations_trainval2014.zip"
SEED = 2014
PROMPTS = "prompts"

Entry = tuple[str, str]
"""Name of an image's file, and its caption."""


def prepare(data: Mapping[str, Any], originals: Path, output: Path) -> None:
    """Prepares the validation images and their captions.

    Args:
        data: a task card's ``data``: ``size``, and ``images`` with the numbers of ``all`` and
            ``prompts``.
        originals: a folder with val2014.zip or the folder val2014, and with
            annotations_trainval2014.zip or captions_val2014.json.

    Raises:
        DamagedFile, ValueError: one line, for a missing or damaged file, an image that is not
            there or has no caption, or other numbers than the card's.
    """
    captions, from_captions = _captions(originals)
    entries = _ordered(captions, data["images"][PROMPTS], from_captions)
    require_stated(data, "all", len(entries), from_captions)
    size, folder, archive = data["size"], originals / IMAGES, originals / ZIP
    if folder.is_dir():
        paths = [folder / name for name, _ in entries]
        if absent := [path for path in paths if not path.is_file()]:
            raise missing(folder, absent[0].name)
        hashed = {IMAGES: hash_of_names(sorted(paths), folder)}
        images = _of_folder(paths, size)
    elif archive.is_file():
        hashed, images = {ZIP: sha256(archive)}, _of_archive(archive, [name for name, _ in entries], size)
    else:
        raise missing(originals, IMAGES, ZIP)
    how = f"{RULE}; prompts by numpy's default_rng({SEED}), as in morse/data/coco.py"
    write_prepared(
        output,
        "coco",
        how,
        hashed | {from_captions.name: sha256(from_captions)},
        (3, size, size),
        {"all": (len(entries), images)},
        {PROMPTS: ("all", 0, data["images"][PROMPTS])},
        {"all": [caption for _, caption in entries]},
    )


def _captions(originals: Path) -> tuple[dict[str, list[str]], Path]:
    """Name of an image's file -> its captions in the order of their numbers; images in the order of
    theirs. And the file that says so."""
    plain, archive = originals / CAPTIONS, originals / ANNOTATIONS
    if plain.is_file():
        path = plain
        with reading(path):
            content = json.loads(path.read_text(encoding="utf-8"))
    elif archive.is_file():
        path = archive
        with reading(f"{path}: {CAPTIONS}"), zipfile.ZipFile(path) as file:
            content = json.loads(file.read(f"annotations/{CAPTIONS}").decode("utf-8"))
    else:
        raise missing(originals, CAPTIONS, ANNOTATIONS)
    with reading(path, "is no file of COCO's captions"):
        names = {int(one["id"]): str(one["file_name"]) for one in content["images"]}
        texts = [(int(one["id"]), int(one["image_id"]), tidy(str(one["caption"]))) for one in content["annotations"]]
    found: dict[int, list[str]] = {number: [] for number in sorted(names)}
    for number, image, text in sorted(texts):
        if image not in found:
            raise ValueError(f"{path}: caption {number} is of image {image}, which it does not list; get it again")
        if text:
            found[image].append(text)
    if bare := [names[number] for number, own in found.items() if not own]:
        raise ValueError(f"{path}: {bare[0]} has no caption, as have {len(bare) - 1} more; get it again")
    return {names[number]: own for number, own in found.items()}, path


def _ordered(captions: Mapping[str, Sequence[str]], prompts: int, path: Path) -> list[Entry]:
    """All images with a caption each, those of the prompts first."""
    names = list(captions)
    if prompts > len(names):
        raise ValueError(f"{path} has {len(names)} images, fewer than the {prompts} prompts of data: images")
    rng = np.random.default_rng(SEED)
    drawn = [names[index] for index in rng.choice(len(names), prompts, replace=False)]
    chosen = {name: captions[name][rng.integers(len(captions[name]))] for name in drawn}
    return [*chosen.items(), *((name, own[0]) for name, own in captions.items() if name not in chosen)]


def _of_folder(paths: Sequence[Path], size: int) -> Iterator[tuple[np.ndarray, None]]:
    for path in paths:
        yield squared(picture(path, str(path)), size), None


def _of_archive(archive: Path, names: Sequence[str], size: int) -> Iterator[tuple[np.ndarray, None]]:
    with reading(archive), zipfile.ZipFile(archive) as file:
        inside = {Path(name).name: name for name in file.namelist()}
    if absent := [name for name in names if name not in inside]:
        raise missing(archive, absent[0])
    with zipfile.ZipFile(archive) as file:
        for name in names:
            with reading(f"{archive}: {name}"):
                content = file.read(inside[name])
            yield squared(picture(io.BytesIO(content), f"{archive}: {name}"), size), None
