"""From the originals of a task to its prepared data, as a function and as a command."""

import hashlib
import io
import os
import subprocess
import sys
import tarfile

import numpy as np
import pytest
from PIL import Image

from morse.data.loading import load_split
from morse.data.preparing import preparation_view, prepare_data
from morse.experiments.cards import read_card, resource
from morse.files import DamagedFile, sha256
from morse.published import DATA
from morse.registry import UnknownName


@pytest.fixture
def archive(tmp_path, monkeypatch):
    """CIFAR-10's binary release of six images, where a task's originals belong."""
    monkeypatch.setenv(DATA, str(tmp_path / "data"))
    path = tmp_path / "data" / "originals" / "small" / "cifar-10-binary.tar.gz"
    path.parent.mkdir(parents=True)
    with tarfile.open(path, "w:gz") as tar:
        for number, name in enumerate([*(f"data_batch_{index}" for index in range(1, 6)), "test_batch"]):
            info = tarfile.TarInfo(f"{name}.bin")
            info.size = 3073
            tar.addfile(info, io.BytesIO(bytes([number]) + bytes([10 * number]) * 3072))
    return path


def data_of(archive, **known):
    source = [{"file": archive.name, "url": "https://a.b/c"} | known]
    return {"kind": "cifar10", "file": "data/small/dataset.json", "size": 32, "source": source, "licence": "none"}


def md5(path):
    return hashlib.md5(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("view", [dict, preparation_view])
def test_originals_become_the_file_of_the_card(archive, tmp_path, view):
    data = data_of(archive, md5=md5(archive).upper(), size=archive.stat().st_size)
    path = prepare_data("small", view(data))
    assert path == tmp_path / "data" / "small" / "dataset.json"
    train = load_split(data, "train")
    assert train.images[:, 0, 0, 0].tolist() == [0, 10, 20, 30, 40] and train.labels.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("view", [dict, preparation_view])
@pytest.mark.parametrize(
    ("known", "line"),
    [
        ({"md5": "0" * 32}, "cifar-10-binary.tar.gz has md5 .*, not 0{32}; the page in the card of small may|https://"),
        ({"sha256": "1" * 64}, "cifar-10-binary.tar.gz has sha256 .*, not 1{64}; "),
        ({"size": 7}, r"cifar-10-binary.tar.gz has [\d,]+ bytes, not 7; "),
    ],
)
def test_originals_of_another_hash_or_size_are_refused(archive, view, known, line):
    """Also those that a person put there, which no fetch has checked."""
    with pytest.raises(DamagedFile, match=line) as error:
        prepare_data("small", view(data_of(archive, **known)))
    assert "\n" not in str(error.value) and not archive.parents[2].joinpath("small").exists()


def test_a_new_address_or_licence_prepares_nothing_again(archive):
    data = data_of(archive, md5="0" * 32)
    moved = data | {"source": [{"file": archive.name, "by_hand": "https://d.e", "md5": "0" * 32}], "licence": "MIT"}
    assert preparation_view(data) == preparation_view(moved) != preparation_view(data_of(archive, md5="1" * 32))
    assert "source" not in preparation_view({"kind": "folder", "file": "data/a/dataset.json", "size": 8})


def test_the_card_of_cifar10_has_the_hash_of_its_page():
    (entry,) = preparation_view(read_card("task", "cifar10")["data"])["source"]
    assert entry == {
        "file": "cifar-10-binary.tar.gz",
        "size": 170052171,
        "md5": "c32a1d4ab5d03f1284b67883e8d87530",
    }


def test_what_ships_and_unknown_kinds_are_one_line(archive):
    with pytest.raises(ValueError, match=r"the data of fashion-mnist ship as .*\.npz; there is nothing to prepare"):
        prepare_data("fashion-mnist", read_card("task", "fashion-mnist")["data"])
    with pytest.raises(UnknownName, match="unknown kind of data 'cifar'; did you mean 'cifar10'"):
        prepare_data("small", data_of(archive) | {"kind": "cifar"})


def prepared(tmp_path, *arguments):
    code = "import sys; sys.argv[0] = 'morse'; from morse.cli import main; main()"
    command = [sys.executable, "-c", code, "prepare", *map(str, arguments)]
    environment = os.environ | {DATA: str(tmp_path / "data")}
    return subprocess.run(command, capture_output=True, encoding="utf-8", env=environment, timeout=300)


def test_the_command_prepares_and_prints_the_hash_for_the_card(tmp_path):
    folder = tmp_path / "own"
    folder.mkdir()
    for number in range(4):
        Image.fromarray(np.full((40, 33, 3), number, np.uint8)).save(folder / f"{number}.png")
    config = tmp_path / "own.yaml"
    data = f"{{kind: folder, folder: {folder}}}"
    config.write_text(f"overrides: {{tasks: {{cifar10: {{data: {data}}}}}}}\n", encoding="utf-8")
    configs = ("--configfile", resource("config/config.yaml"), "--configfile", config)
    done = prepared(tmp_path, "cifar10", *configs)
    assert done.returncode == 0, done.stderr
    path = tmp_path / "data" / "cifar10" / "dataset.json"
    assert done.stdout == f"{path}: sha256 {sha256(path)}, for `data: sha256` of the card\n"


def test_the_command_tells_what_is_missing_in_one_line(tmp_path):
    done = prepared(tmp_path, "imagenet64")
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "imagenet64 has no train_data_batch_1.npz; get the data set as its task's card says" in done.stderr
