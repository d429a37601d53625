"""CelebA at 64 x 64, as ermongroup/ddim prepares it for its network.

From each aligned image of 178 x 218 it takes the 128 x 128 around column 89 and row 121: rows 57 to
184, columns 25 to 152 (its datasets/__init__.py; Song et al., arXiv 2010.02502, appendix D.1). That
is shrunk by torchvision's Resize: a triangle filter over the pixels (Pillow's BILINEAR).
Others crop 140 x 140 in the centre, which gives other images and other distances.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from morse.data.originals import hash_of_names, hashes, missing, reading, require_stated
from morse.data.pictures import picture
from morse.data.prepared import write_prepared
from morse.files import DamagedFile

ARCHIVE, FOLDER, LIST = "img_align_celeba.zip", "img_align_celeba", "list_eval_partition.txt"
SPLITS = ("train", "valid", "test")
"""By their numbers in the list of splits."""
ALIGNED = (178, 218)
"""Width and height of an aligned image."""
LEFT, TOP, SIDE = 25, 57, 128


def prepare(data: Mapping[str, Any], originals: Path, output: Path) -> None:
    """Writes CelebA as a prepared data set, with the splits of its list.

    Args:
        data: a task card's ``data``; ``size`` is at most 128.
        originals: the folder with ``list_eval_partition.txt`` and ``img_align_celeba.zip`` or, of
            the same images, the folder ``img_align_celeba``.
        output: the dataset.json to write.

    Raises:
        DamagedFile, ValueError: one line that names the file, for missing, damaged or foreign ones.
    """
    size = data["size"]
    if not 1 <= size <= SIDE:
        raise ValueError(f"data: size: CelebA's crops of {SIDE} can be shrunk to at most that, not to {size}")
    names = read_list(originals / LIST)
    for split in SPLITS:
        require_stated(data, split, len(names[split]), originals / LIST)
    preparation = f"rows 57 to 184 and columns 25 to 152, then bilinear to {size}"

    def write(found: Mapping[str, str], read: Callable[[str], bytes], place: Path) -> None:
        splits = {split: (len(names[split]), _images(names[split], read, place, size)) for split in SPLITS}
        splits = {split: of for split, of in splits.items() if of[0]}
        write_prepared(output, data["kind"], preparation, found, (3, size, size), splits)

    folder, archive = originals / FOLDER, originals / ARCHIVE
    all_names = [name for split in SPLITS for name in names[split]]
    if folder.is_dir():
        _require_all(all_names, {path.name for path in folder.iterdir()}, folder)
        sizes = {f"{FOLDER}: names and sizes": hash_of_names([folder / name for name in all_names], folder)}
        write(hashes([originals / LIST], originals) | sizes, lambda name: (folder / name).read_bytes(), folder)
        return
    if not archive.is_file():
        raise missing(originals, ARCHIVE, FOLDER)
    with reading(archive):
        file = zipfile.ZipFile(archive)
    with file:
        members = {Path(member).name: member for member in file.namelist()}
        _require_all(all_names, set(members), archive)
        write(hashes([originals / LIST, archive], originals), lambda name: file.read(members[name]), archive)


def read_list(path: Path) -> dict[str, list[str]]:
    """Split -> names of its images, of the list of splits.

    Raises:
        DamagedFile: one line, for a list that is missing or has another line than "000001.jpg 0".
    """
    names: dict[str, list[str]] = {split: [] for split in SPLITS}
    if not path.is_file():
        raise missing(path.parent, path.name)
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    for number, line in enumerate(lines, 1):
        if not (found := re.fullmatch(r"(\w+\.(?:jpg|png))\s+([012])\s*", line)):
            raise DamagedFile(f"{path}: line {number} is {line[:40]!r}, not like '000001.jpg 0'; get the list again")
        names[SPLITS[int(found[2])]].append(found[1])
    return names


def _require_all(names: Sequence[str], there: set[str], place: Path) -> None:
    if absent := [name for name in names if name not in there]:
        raise DamagedFile(f"{place} lacks {len(absent)} images of {LIST}, first {absent[0]}; get it again")


def _images(
    names: Sequence[str], read: Callable[[str], bytes], place: Path, size: int
) -> Iterator[tuple[np.ndarray, None]]:
    """The images of a split, cropped and shrunk. They have no classes."""
    for name in names:
        with reading(f"{place}: {name}"):
            content = read(name)
        image = picture(io.BytesIO(content), f"{place}: {name}")
        if image.size != ALIGNED:
            raise ValueError(f"{place}: {name} is of {image.size}, not of {ALIGNED}; get the aligned images")
        crop = image.crop((LEFT, TOP, LEFT + SIDE, TOP + SIDE))
        yield np.asarray(crop.resize((size, size), Image.Resampling.BILINEAR)).transpose(2, 0, 1), None
