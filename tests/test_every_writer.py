"""Every function that writes a file: it gives back what it wrote and refuses what it cannot keep,
and a full disk costs nothing."""

import errno
import resource
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure
from safetensors.torch import load_file

from morse.checkpoints import write_state
from morse.data.archive import read_split, write_dataset
from morse.files import DamagedFile, UnwritableFile, read_json, write_atomically, write_json, write_npz, write_text
from morse.quality.features import Features
from morse.quality.statistics import Statistics
from morse.report.image_files import image_writer
from morse.report.style import save
from morse.report.text_tables import write_text_tables
from morse.results.columns import read_table, write_table
from morse.sampling.shards import Shard, load_shard, save_shard
from morse.training.loop import TrainSettings, train

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (20, 1, 16, 16), dtype=np.uint8)
VALUES = RNG.normal(size=(60, 8)).astype(np.float32)
SHARD = Shard(IMAGES, 40, 1.25, "D.D..", 7, {"device": "é", "versions": {"torch": "2"}}, {"D": 1.0, ".": 0.2})
FEATURES = Features("small/é", "run", 3, VALUES)
TABLE = pd.DataFrame({"model": ["null", "010"] * 60, "budget": range(120), "quality": RNG.normal(size=120)})


def sums(groups=4):
    result = Statistics.empty("small", "run", (1, 16, 16), 8, groups)
    result.add(VALUES, 0)
    return result


def resume_point(path):
    """Killed after the first of its resume points."""
    network, steps = torch.nn.Linear(40, 40), iter(range(2))
    with pytest.raises(StopIteration):
        train(
            network, lambda *_: network.weight.sum() * (1 + 0 * next(steps)), TrainSettings(4, checkpoint_every=1), path
        )


def text_table(path):
    costs = pd.DataFrame({"call": ["D"] * 40, "caption": "Dash", "counts": True, "seconds": 0.5, "lsd": 1.0})
    columns = ["model", "scale", "dash_execution", "dot_execution", "batch_size", "lsd_low", "lsd_high"]
    write_text_tables(costs.assign(**dict.fromkeys(columns, 1.0)), "call_costs", *[path] * 3)


def figure(path):
    drawn = Figure()
    drawn.add_subplot().plot(VALUES[:, 0])
    save(drawn, [path])


WRITERS = {
    "data.npz": lambda path: write_dataset(path, {"train": (IMAGES, np.arange(20))}),
    "shard.npz": lambda path: save_shard(SHARD, path),
    "features.npz": FEATURES.save,
    "statistics.npz": lambda path: sums().save(path),
    "arrays.npz": lambda path: write_npz(path, a=IMAGES),
    "record.json": lambda path: write_json({"é": VALUES.tolist()}, path),
    "text.md": lambda path: write_text("é" * 4000, path),
    "table.csv": lambda path: write_table(TABLE, path),
    "table.tex": text_table,
    "weights.safetensors": lambda path: write_state({"a": torch.ones(2000)}, path, dash="abc"),
    "weights.resume": resume_point,
    "figure.png": figure,
    "figure.svg": figure,
    "figure.pdf": figure,
    "grid.png": lambda path: image_writer(path)({"morse": IMAGES}, "title"),
    "images.npz": lambda path: image_writer(path)({"morse": IMAGES}, "title"),
    "folder": lambda path: image_writer(path)(
        {"morse": np.tile(RNG.integers(0, 256, (3, 1, 64, 64), np.uint8), 1)}, ""
    ),
}
"""Name of a file -> what writes it, more than LIMIT bytes."""
LIMIT = 2000


def content(path):
    files = sorted(part for part in path.rglob("*") if part.is_file()) if path.is_dir() else [path]
    return {str(file.relative_to(path.parent)): file.read_bytes() for file in files}


@contextmanager
def small_disk():
    """No file of this process can grow beyond LIMIT bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def refused(name, path, reason, remedy):
    with pytest.raises(UnwritableFile) as error:
        WRITERS[name](path)
    assert str(error.value) == f"{path} cannot be written ({reason}); {remedy}"


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_is_one_line_and_nothing_is_lost(tmp_path, name):
    path = tmp_path / name
    with small_disk():
        refused(name, path, "File too large", "free space on that disk and run again")
    assert not list(tmp_path.iterdir())
    if name not in ("folder", "weights.resume"):  # which never write over what is there
        WRITERS[name](path)
        before = content(path)
        with small_disk():
            refused(name, path, "File too large", "free space on that disk and run again")
        assert list(tmp_path.iterdir()) == [path] and content(path) == before


@pytest.mark.parametrize("name", WRITERS)
def test_a_name_that_cannot_be_had_is_one_line(tmp_path, name):
    (tmp_path / "file").write_text("kept", encoding="utf-8")
    inside, long = tmp_path / "file", tmp_path / ("x" * 300)
    refused(name, inside / name, f"File exists: {inside}", "move what has that name")
    if name not in ("folder", "weights.resume"):  # which are looked for first
        refused(name, long / name, f"File name too long: {long}", "use shorter names")
    assert [path.name for path in tmp_path.iterdir()] == ["file"] and (tmp_path / "file").read_bytes() == b"kept"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO])
def test_every_reason_has_its_remedy(tmp_path, number):
    def fails(temporary):
        raise OSError(number, "Reason", str(temporary))

    remedies = {
        errno.EROFS: "make that folder writable",
        errno.EACCES: "make that folder",
        errno.EIO: "see to that disk",
    }
    with pytest.raises(UnwritableFile, match=f"cannot be written .Reason.; {remedies.get(number, 'free space')}"):
        write_atomically(fails, tmp_path / "a")
    with pytest.raises(FileNotFoundError):  # of another file, which is only read
        write_atomically(lambda _: Path("/nowhere").read_bytes(), tmp_path / "a")


def test_a_folder_of_a_killed_run_is_written_anew(tmp_path):
    (tmp_path / ".folder.partial" / "morse").mkdir(parents=True)
    WRITERS["folder"](tmp_path / "folder")
    assert len(content(tmp_path / "folder")) == 3 and [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_what_was_written_comes_back_equal(tmp_path):
    save_shard(SHARD, tmp_path / "s")
    for shard in (SHARD, replace(SHARD, memory=0), replace(SHARD, memory=None, letters="")):
        save_shard(shard, tmp_path / "s")
        back = load_shard(tmp_path / "s")
        assert replace(back, images=0) == replace(shard, images=0) and np.array_equal(back.images, IMAGES)
    for values in (VALUES, VALUES.astype(np.float64), VALUES.astype(np.float16)):
        replace(FEATURES, values=values).save(tmp_path / "f")
        back = Features.load(tmp_path / "f")
        assert replace(back, values=0) == replace(FEATURES, values=0) and np.array_equal(back.values, values)
    sums().save(tmp_path / "q")
    back = Statistics.load(tmp_path / "q")
    assert (back.extractor, back.data, back.image_shape) == ("small", "run", (1, 16, 16))
    assert all(np.array_equal(getattr(back, name), getattr(sums(), name)) for name in ("n", "sum", "outer"))
    tied = torch.ones(3)
    types = (torch.bfloat16, torch.float64, torch.int64, torch.bool, torch.complex64)
    state = {"a": tied, "b": tied, "c": tied.expand(2, 3), "d": torch.tensor(2.0)} | {str(t): tied.to(t) for t in types}
    write_state(state, tmp_path / "w")
    back = load_file(tmp_path / "w")
    assert back.keys() == state.keys()
    assert all(torch.equal(back[key], state[key]) and back[key].dtype == state[key].dtype for key in state)
    WRITERS["record.json"](tmp_path / "r")
    assert read_json(tmp_path / "r") == {"é": VALUES.tolist()}
    write_table(TABLE, tmp_path / "t")
    pd.testing.assert_frame_equal(read_table(tmp_path / "t"), TABLE, check_exact=True)
    WRITERS["data.npz"](tmp_path / "d")
    assert np.array_equal(read_split(tmp_path / "d", "train", 16).images, IMAGES)


def shard_of(**changes):
    return lambda path: save_shard(replace(SHARD, **changes), path)


def features_of(**changes):
    return replace(FEATURES, **changes).save


def sums_of(**changes):
    return replace(sums(), **changes).save


def images_of(kind, path, **rows):
    image_writer(path.with_suffix(kind))(rows, "title")


ARRAYS = {
    "floats": IMAGES.astype(np.float32), "int64": IMAGES.astype(np.int64), "bool": IMAGES > 9, "none": IMAGES[:0],
    "objects": IMAGES.astype(object), "list": IMAGES.tolist(), "flat": IMAGES[:, 0],
    "channels": np.tile(IMAGES, (1, 2, 1, 1)), "masked": np.ma.masked_array(IMAGES), "nothing": None,
    "tensor": torch.from_numpy(IMAGES), "bfloat16": torch.zeros(2, dtype=torch.bfloat16),
}  # fmt: skip
NOT_FINITE = VALUES.copy()
NOT_FINITE[5, 2] = np.inf
WRONG = {
    **{f"shard: {name}": (shard_of(images=value), "images must be a uint8 array") for name, value in ARRAYS.items()},
    **{
        f"{kind}: {name}": (lambda path, kind=kind, value=value: images_of(kind, path, a=value), "must be a uint8")
        for kind in (".png", ".npz", "")
        for name, value in ARRAYS.items()
    },
    "grid: unlike": (lambda path: images_of(".png", path, a=IMAGES, b=IMAGES[1:]), "one shape and number"),
    "shard: seconds": (shard_of(seconds=np.nan), "seconds must be a number"),
    "shard: first": (shard_of(first=-1), "first must be a whole number"),
    "shard: memory": (shard_of(memory=1.5), "memory must be a whole number of 0 or more, not 1.5"),
    "shard: letters": (shard_of(letters=None), "letters must be text"),
    "shard: zero byte": (shard_of(letters="D\0"), "letters has text beside numbers, or a zero byte"),
    "shard: costs": (shard_of(costs={"D": np.inf}), "costs: D must be a number"),
    "shard: provenance": (shard_of(provenance={"a": {1: 2}}), "provenance: a: the key 1 is no text"),
    "features: infinite": (features_of(values=NOT_FINITE), "those of image 8 are not finite"),
    "features: double": (features_of(values=VALUES.astype(float) + 1e-12), "float32 cannot hold them"),
    "features: huge": (features_of(values=VALUES.astype(float) * 1e300), "float32 cannot hold them"),
    "features: whole": (features_of(values=np.ones((2, 2), int)), "not int64 (2, 2)"),
    "features: flat": (features_of(values=VALUES[0]), "not float32 (8,)"),
    "features: none": (features_of(values=VALUES[:0]), "not float32 (0, 8)"),
    "features: list": (features_of(values=[[1.0]]), "not list"),
    "features: first": (features_of(first=np.float64(3)), "first must be a whole number"),
    "features: data": (features_of(data=None), "data must be text"),
    "statistics: infinite": (sums_of(sum=sums().sum * np.inf), "sum is not finite"),
    "statistics: float32": (sums_of(outer=sums().outer.astype(np.float32)), "outer is no array of float64"),
    "statistics: counts": (sums_of(n=sums().n * 1.0), "n is no array of int64"),
    "statistics: negative": (sums_of(n=-sums().n), "n must be numbers of images"),
    "statistics: shapes": (sums_of(sum=sums().sum[:, :3]), "of unlike shapes"),
    "statistics: groups": (sums_of(n=sums().n[:3]), "of unlike shapes"),
    "statistics: images": (sums_of(image_shape=(1, 16.0, 16)), "image_shape must be three whole numbers"),
    "statistics: extractor": (sums_of(extractor=3), "extractor is no text"),
    "state: array": (lambda path: write_state({"a": np.ones(2)}, path), "'a' is no tensor with a name"),
    "state: name": (lambda path: write_state({3: torch.ones(2)}, path), "3 is no tensor with a name"),
    "state: taken": (lambda path: write_state({"__metadata__": torch.ones(2)}, path), "'__metadata__' is no tensor"),
    "state: none": (lambda path: write_state({}, path), "a file without tensors cannot be read"),
    "state: sparse": (lambda path: write_state({"a": torch.eye(2).to_sparse()}, path), "a is a torch.sparse_coo"),
    "state: meta": (lambda path: write_state({"a": torch.ones(2, device="meta")}, path), "on meta"),
    "state: complex": (lambda path: write_state({"a": torch.ones(2, dtype=torch.complex128)}, path), "complex128"),
    "state: metadata": (lambda path: write_state({"a": torch.ones(2)}, path, steps=3), "metadata: steps must be text"),
    "state: surrogate": (lambda path: write_state({"a": torch.ones(2)}, path, b="\udc80"), "is no text"),
    "arrays: tensor": (lambda path: write_npz(path, a=torch.ones(2)), "a is a Tensor; give a NumPy array"),
    "text: surrogate": (lambda path: write_text("a\udce9", path), r"'\udce9' is no character"),
    "record: tuple": (lambda path: write_json({"a": (1,)}, path), "a: JSON holds no tuple"),
}  # fmt: skip


@pytest.mark.parametrize(("write", "message"), WRONG.values(), ids=WRONG)
def test_what_a_writer_cannot_keep_is_refused_in_one_line(tmp_path, write, message):
    with pytest.raises(ValueError) as error:
        write(tmp_path / "file")
    assert str(error.value).startswith(str(tmp_path / "file")) and message in str(error.value)
    assert "\n" not in str(error.value) and not list(tmp_path.iterdir())


@pytest.mark.parametrize("loads", [load_shard, Features.load, Statistics.load])
def test_a_file_of_another_kind_is_called_damaged(tmp_path, loads):
    write_npz(tmp_path / "a", images=IMAGES.astype(float), first=0, seconds=1.0, letters="D", memory=1, costs="{}",
              provenance="{}", extractor="a", data="b", values=VALUES[0], image_shape=(1, 2), n=VALUES, sum=VALUES,
              outer=VALUES)  # fmt: skip
    with pytest.raises(DamagedFile, match="is damaged"):
        loads(tmp_path / "a")
