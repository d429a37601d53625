"""Image-text pairs: read where they lie, decoded on demand, faults in one line."""

import io
import json
import tarfile

import numpy as np
import pytest
from PIL import Image

from morse.data.batches import draw_batch
from morse.data.loading import load_split, shapes_of
from morse.data.pairs import prepare
from morse.data.pictures import fitted
from morse.files import DamagedFile
from morse.seeds import generator

CAPTIONS = [f"ein Bild {i}, naïve 猫 🐈" for i in range(12)]


def image(seed, side=24, kind="PNG"):
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side + 4, 3), np.uint8)
    held = io.BytesIO()
    Image.fromarray(pixels).save(held, kind)
    return held.getvalue()


def shard(path, members):
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


def samples(numbers):
    """Half with .txt, half with .json."""
    members = {}
    for i in numbers:
        text = (
            {f"{i:04}.txt": CAPTIONS[i].encode()}
            if i % 2
            else {f"{i:04}.json": json.dumps({"caption": CAPTIONS[i]}).encode()}
        )
        members |= {f"{i:04}.png": image(i)} | text
    return members


@pytest.fixture
def shards(tmp_path):
    folder = tmp_path / "shards"
    folder.mkdir()
    shard(folder / "00.tar", samples(range(7)))
    shard(folder / "01.tar", samples(range(7, 12)))
    return folder


def made(folder, tmp_path, **data):
    output = tmp_path / "made" / "dataset.json"
    output.parent.mkdir(exist_ok=True)
    prepare({"folder": str(folder), "size": 16, **data}, folder, output)
    return {"file": str(output), "size": 16}


def expected(number):
    with Image.open(io.BytesIO(image(number))) as opened:
        return np.asarray(fitted(opened, 16)).transpose(2, 0, 1)


def test_shards_are_read_by_place_and_every_tenth_pair_is_held_out(shards, tmp_path):
    data = made(shards, tmp_path)
    train, test = load_split(data, "train"), load_split(data, "test")
    assert test.captions == [CAPTIONS[0], CAPTIONS[10]] and train.captions == CAPTIONS[1:10] + CAPTIONS[11:]
    assert shapes_of(data["file"]) == {"train": (10, 3, 16, 16), "test": (2, 3, 16, 16)}
    assert np.array_equal(test.images[0], expected(0)) and np.array_equal(test.images[-1], expected(10))
    picked = train.images[np.array([9, 0, 9])]
    assert np.array_equal(picked, np.stack([expected(11), expected(1), expected(11)]))
    assert train.images[2:4].shape == (2, 3, 16, 16) and train.images[2:2].shape == (0, 3, 16, 16)
    assert not list((tmp_path / "made").rglob("*images*"))


def test_batches_are_drawn_from_them_as_from_an_array(shards, tmp_path):
    split = load_split(made(shards, tmp_path), "train")
    whole = split.images[:]
    for flip in (False, True):
        lazy, array = (draw_batch(of, 5, generator(0, 1), flip)[0] for of in (split.images, whole))
        assert (lazy == array).all()


@pytest.mark.parametrize("form", ["list.json", "mapping.json", "c.jsonl", "c.csv"])
def test_a_folder_with_a_file_of_captions(form, tmp_path):
    folder = tmp_path / "images"
    (folder / "sub").mkdir(parents=True)
    names = [f"sub/{i}.png" if i % 2 else f"{i}.png" for i in range(4)]
    for i, name in enumerate(names):
        (folder / name).write_bytes(image(i))
    entries = [{"file": name, "caption": f"  {CAPTIONS[i]}\n"} for i, name in enumerate(names)]
    text = {
        "list.json": json.dumps(entries),
        "mapping.json": json.dumps({one["file"]: one["caption"] for one in entries}),
        "c.jsonl": "\n".join(map(json.dumps, entries)),
        "c.csv": "﻿file,caption\n" + "\n".join(f'{name},"{CAPTIONS[i]}"' for i, name in enumerate(names)),
    }[form]
    (tmp_path / form).write_text(text, encoding="utf-8")
    data = made(folder, tmp_path, captions=str(tmp_path / form))
    found = {split: load_split(data, split) for split in ("train", "test")}
    assert found["test"].captions == [CAPTIONS[0]] and found["train"].captions == [
        CAPTIONS[2],
        CAPTIONS[1],
        CAPTIONS[3],
    ]
    assert np.array_equal(found["train"].images[1], expected(1))


def test_what_is_no_pair_is_one_line(shards, tmp_path):
    def fault(folder, error, message, **data):
        with pytest.raises(error, match=message) as found:
            made(folder, tmp_path, **data)
        assert "\n" not in str(found.value)

    shard(shards / "02.tar", {"9.png": image(9)})
    fault(shards, ValueError, r"02.tar: sample 9 has no caption \(.txt, or .json with caption\)")
    shard(shards / "02.tar", {"9.txt": b"a"})
    fault(shards, ValueError, "sample 9 has no image")
    (shards / "02.tar").write_bytes((shards / "01.tar").read_bytes()[:700])
    fault(shards, DamagedFile, "02.tar is no whole uncompressed tar")
    with tarfile.open(shards / "02.tar", "w:gz"):
        pass
    fault(shards, DamagedFile, "02.tar is no whole uncompressed tar")
    empty = tmp_path / "empty"
    empty.mkdir()
    fault(empty, DamagedFile, "has no shards")
    (empty / "a.png").write_bytes(image(0))
    (tmp_path / "c.json").write_text("{}", encoding="utf-8")
    fault(empty, ValueError, "a.png has no caption; write one", captions=str(tmp_path / "c.json"))
    (tmp_path / "c.json").write_text('{"a.png": "a", "b.png": "b"}', encoding="utf-8")
    fault(empty, DamagedFile, "has no b.png", captions=str(tmp_path / "c.json"))
    (tmp_path / "c.json").write_text('{"a.png": "  "}', encoding="utf-8")
    fault(empty, ValueError, "entry 1 has no caption of 'a.png'", captions=str(tmp_path / "c.json"))
    (tmp_path / "c.json").write_text("{", encoding="utf-8")
    fault(empty, DamagedFile, "c.json is no JSON", captions=str(tmp_path / "c.json"))
    (tmp_path / "c.txt").write_text("", encoding="utf-8")
    fault(empty, ValueError, "captions are read from .json, .jsonl or .csv", captions=str(tmp_path / "c.txt"))


def test_altered_files_are_found_on_reading(shards, tmp_path):
    data = made(shards, tmp_path)
    images = load_split(data, "train").images
    content = (shards / "01.tar").read_bytes()
    (shards / "01.tar").write_bytes(content[: len(content) // 3])
    with pytest.raises(DamagedFile, match="01.tar"):
        images[-1]
    (shards / "01.tar").write_bytes(b"\0" * len(content))
    with pytest.raises(DamagedFile, match=r"01.tar, bytes \d+ to \d+ is no whole image"):
        images[-1]
