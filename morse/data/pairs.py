"""Image-text pairs, which a text model's Dot is trained on: shards of webdataset, or a folder of
images with a file of captions.

Two million images of 512 x 512 take 1.6 TB when decoded. So preparing writes an index alone: where
each image is, and its caption. Images are read and decoded when a batch asks for them.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from morse.data.captions import read_captions, tidy, write_captions
from morse.data.folder import EVERY
from morse.data.originals import PICTURES, files_of, hash_of_names, missing, reading
from morse.data.pictures import RULE
from morse.data.prepared import write_array
from morse.files import DamagedFile, sha256, write_json

PLACE = np.dtype([("file", np.int32), ("offset", np.int64), ("size", np.int64)])
"""Where an image is: the number of its file, and the bytes in it."""


def prepare(data: Mapping[str, Any], originals: Path, output: Path) -> None:
    """Writes the index of a set of pairs. Every tenth pair is of the split ``test``.

    Args:
        data: a task card's ``data``. ``folder`` names the folder, ``size`` is of the images, and
            ``captions`` names the file of captions, if the folder has images and not shards.
        originals: the folder, if ``data`` names none.

    Raises:
        DamagedFile, ValueError: one line, for a folder without pairs, a pair without an image or a
            caption, or a shard that is compressed, truncated or damaged.
    """
    folder = Path(data.get("folder", originals))
    if not folder.is_dir():
        raise DamagedFile(f"{folder} is no folder; name a folder of shards, or of images")
    captions = data.get("captions")
    found = list(_of_folder(folder, Path(captions)) if captions else _of_shards(folder))
    paths = sorted({path for path, *_ in found})
    number = {path: index for index, path in enumerate(paths)}
    if len(found) < 2:
        raise ValueError(f"{folder} has {len(found)} pairs; a data set has two or more, for its splits train and test")
    output.unlink(missing_ok=True)
    splits = {"train": [one for i, one in enumerate(found) if i % EVERY], "test": found[::EVERY]}
    described = {}
    for split, own in splits.items():
        places = np.array([(number[path], offset, size) for path, offset, size, _ in own], PLACE)
        described[split] = _write_split(output, split, places, data["size"], [caption for *_, caption in own])
    content = {"kind": "pairs", "preparation": RULE, "splits": described}
    content |= {"originals": {"names and sizes": hash_of_names(paths, folder)}}
    write_json(content | {"folder": str(folder.resolve()), "files": _names(paths, folder)}, output)


def _names(paths: Sequence[Path], folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in paths]


def _write_split(output: Path, split: str, places: np.ndarray, size: int, captions: Sequence[str]) -> dict[str, Any]:
    file = output.with_name(f"{split}-places.npy")
    write_array(places, file)
    described = {"images": file.name, "bytes": file.stat().st_size, "sha256": sha256(file), "first": 0, "labels": ""}
    described |= {"shape": [len(places), 3, size, size]}
    return described | write_captions(output, split, len(places), captions)


Pair = tuple[Path, int, int, str]
"""The file that an image is in, its place and size there, and its caption."""


def _of_folder(folder: Path, captions: Path) -> Iterator[Pair]:
    """Each image of a folder that has a caption. An image without one is refused, as is a caption
    without an image."""
    texts = read_captions(captions)
    found = {path.relative_to(folder).as_posix(): path for path in files_of(folder) if path != captions}
    if bare := sorted({*found} - {*texts}):
        more = f" and {len(bare) - 1} more have" if bare[1:] else " has"
        raise ValueError(f"{captions}: {bare[0]}{more} no caption; write one, or move the image out")
    if lost := sorted({*texts} - {*found}):
        raise missing(folder, lost[0])
    for name, path in found.items():
        yield path, 0, path.stat().st_size, texts[name]


def _of_shards(folder: Path) -> Iterator[Pair]:
    """Each sample of the shards: members of one name but for what follows the first dot."""
    shards = sorted(folder.glob("*.tar"))
    if not shards:
        raise missing(folder, "shards (*.tar)", "key `captions` beside it for a folder of images")
    for shard in tqdm(shards, desc="shards", unit="shard", mininterval=2):
        fault = "is no whole uncompressed tar", "get it again, or unpack its compression"
        with reading(shard, *fault), tarfile.open(shard, "r:") as tar:
            samples: dict[str, dict[str, tarfile.TarInfo]] = {}
            for member in (member for member in tar if member.isfile()):
                key, _, kind = member.name.partition(".")
                samples.setdefault(key, {})[f".{kind.lower()}"] = member
            texts = {key: _caption(tar, own) for key, own in samples.items()}
        for key, own in samples.items():
            image = next((own[kind] for kind in PICTURES if kind in own), None)
            if image is None or not texts[key]:
                what = "no image" if image is None else "no caption (.txt, or .json with caption)"
                raise ValueError(f"{shard}: sample {key} has {what}; take it out, or complete it")
            yield shard, image.offset_data, image.size, texts[key]


def _caption(tar: tarfile.TarFile, sample: Mapping[str, tarfile.TarInfo]) -> str:
    """A sample's caption; empty if it has none."""
    if ".txt" in sample:
        return tidy(tar.extractfile(sample[".txt"]).read().decode("utf-8"))
    if ".json" in sample:
        return tidy(str(json.loads(tar.extractfile(sample[".json"]).read()).get("caption") or ""))
    return ""
