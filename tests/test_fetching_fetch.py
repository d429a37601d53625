"""Fetching several files: what is said and asked first, folders instead of the network, the hub."""

import errno
import json
import os
from hashlib import sha256

import pytest
from servers import Server, serving
from typer.testing import CliRunner

from morse.cli import app
from morse.experiments.cards import resource
from morse.fetching.fetch import fetch, fetch_all
from morse.files import DamagedFile, UnwritableFile
from morse.published import Source

CONTENT = b"weights" * 1000
DIGEST = f"sha256:{sha256(CONTENT).hexdigest()}"


@pytest.fixture
def server():
    with serving(Server(CONTENT)) as running:
        yield running


@pytest.fixture
def source(server, tmp_path):
    return Source("m", tmp_path / "w.pt", url=f"{server.url}/w.pt", size=len(CONTENT), digest=DIGEST, licence="MIT")


def all_of(sources, answer=True, **options):
    """Faults, and what was said and asked."""
    told = []

    def ask(question):
        told.append(question)
        return answer

    return fetch_all(sources, told.append, ask, **options), told


def test_size_licence_and_address_are_said_before_it_asks(source):
    faults, told = all_of([source])
    assert faults == []
    assert told == [
        f"{source.path}: 0.0 MB, licence MIT, {source.url}",
        "Fetch 1 files?",
        f"{source.path}: right",
    ]


def test_no_is_no(server, source):
    faults, _ = all_of([source], answer=False)
    assert faults == [f"{source.path} was not fetched"]
    assert not source.path.exists() and server.requests == []


def test_what_is_here_is_checked_and_not_fetched(server, source):
    source.path.write_bytes(CONTENT)
    faults, told = all_of([source, source])
    assert faults == [] and server.requests == [] and told == [f"{source.path} is here"]


def test_a_wrong_file_that_is_here_is_kept_and_does_not_keep_the_others(server, source, tmp_path):
    source.path.write_bytes(b"other")
    second = Source(**vars(source) | {"path": tmp_path / "v.pt"})
    faults, _ = all_of([source, second])
    (fault,) = faults
    assert "w.pt has 5 bytes, not 7,000" in fault and fault.endswith(f"to fetch it, move {source.path} away")
    assert source.path.read_bytes() == b"other" and second.path.read_bytes() == CONTENT


def test_it_asks_only_where_the_network_is_needed(server, source, tmp_path):
    by_hand = Source("m", tmp_path / "login.zip", by_hand="https://a.page")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "w.pt").write_bytes(CONTENT)
    faults, told = all_of([by_hand, source], answer=False, from_dir=tmp_path / "folder")
    assert len(faults) == 1 and source.path.read_bytes() == CONTENT and server.requests == []
    assert not [line for line in told if line.endswith("?")]
    faults, told = all_of([by_hand, source], answer=False)
    assert len(faults) == 1 and "by hand" in faults[0] and not [line for line in told if line.endswith("?")]


def test_one_file_s_fault_does_not_keep_the_others(server, source, tmp_path):
    by_hand = Source("m", tmp_path / "login.zip", by_hand="https://a.page")
    faults, _ = all_of([by_hand, source])
    assert source.path.read_bytes() == CONTENT
    (fault,) = faults
    assert "login.zip has to be got by hand: open https://a.page" in fault and "--from-dir" in fault


def test_a_file_of_two_cards_is_fetched_once(server, source):
    all_of([source, Source(**vars(source) | {"name": "other"})])
    assert len(server.requests) == 1


def test_without_a_published_hash_the_sha256_is_told(source):
    _, told = all_of([Source(**vars(source) | {"digest": ""})])
    assert told[-1] == f"{source.path}: sha256 {DIGEST[7:]}, for the card"


def test_files_of_a_folder_are_checked_and_get_a_second_name(server, source, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "w.pt").write_bytes(CONTENT)
    assert fetch(source, folder) == DIGEST[7:]
    assert source.path.read_bytes() == CONTENT and server.requests == []
    assert source.path.samefile(folder / "w.pt") and not source.path.is_symlink()
    source.path.unlink()
    (folder / "w.pt").write_bytes(CONTENT[::-1])
    with pytest.raises(DamagedFile, match="w.pt has sha256"):
        fetch(source, folder)
    (folder / "w.pt").unlink()
    with pytest.raises(DamagedFile, match=f"w.pt is missing; put the file of {source.url} there"):
        fetch(source, folder)
    assert not source.path.exists()


def test_a_file_of_the_hub_is_taken_from_its_cache_when_offline(tmp_path, monkeypatch):
    """As huggingface_hub lays out its cache: blobs, and snapshots that link to them."""
    from huggingface_hub import constants

    cache, commit = tmp_path / "hub", "1" * 40
    snapshot = cache / "models--o--r" / "snapshots" / commit
    snapshot.mkdir(parents=True)
    (snapshot / "w.bin").write_bytes(CONTENT)
    (cache / "models--o--r" / "refs").mkdir()
    (cache / "models--o--r" / "refs" / "main").write_text(commit, encoding="utf-8")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    there = Source("m", tmp_path / "w.bin", hub="o/r", inside="w.bin", digest=DIGEST)
    fetch(there)
    assert there.path.read_bytes() == CONTENT
    absent = Source("m", tmp_path / "v.bin", hub="o/r", inside="v.bin")
    with pytest.raises(DamagedFile, match=r"o/r: v.bin cannot be fetched from the hub .*; put the file at") as error:
        fetch(absent)
    assert "\n" not in str(error.value)


def test_a_folder_on_another_disk_is_copied(source, tmp_path, monkeypatch):
    def elsewhere(*_, **__):
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", elsewhere)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "w.pt").write_bytes(CONTENT)
    fetch(source, tmp_path / "folder")
    assert source.path.read_bytes() == CONTENT and not source.path.samefile(tmp_path / "folder" / "w.pt")


@pytest.mark.parametrize(
    ("raised", "kind", "message"),
    [
        (RuntimeError("peer closed\nconnection"), DamagedFile, "from the hub .peer closed connection.; put the file"),
        (OSError(errno.ENOSPC, "No space left on device", "/c/b"), UnwritableFile, "/c/b cannot be written .No space"),
        (OSError(errno.ENOSPC, "No space left on device"), UnwritableFile, "the hub's cache .HF_HOME. cannot be"),
    ],
)
def test_every_fault_of_the_hub_is_one_line(tmp_path, monkeypatch, raised, kind, message):
    """Its library lets through those of its own library for HTTP, which are no OSError."""

    def broken(*_, **__):
        raise raised

    monkeypatch.setattr("huggingface_hub.hf_hub_download", broken)
    with pytest.raises(kind, match=message) as error:
        fetch(Source("m", tmp_path / "w.bin", hub="o/r", inside="w.bin"))
    assert "\n" not in str(error.value) and not list(tmp_path.iterdir())


@pytest.fixture
def configured(server, tmp_path, monkeypatch):
    """A configuration by which inception's weights come from the server."""
    monkeypatch.setenv("MORSE_WEIGHTS", str(tmp_path / "weights"))
    weights = {"sha256": DIGEST[7:], "source": [{"file": "inception-2015-12-05.pt", "url": f"{server.url}/i.pt"}]}
    path = tmp_path / "own.yaml"  # JSON is YAML
    path.write_text(json.dumps({"overrides": {"extractors": {"inception": {"weights": weights}}}}), encoding="utf-8")
    return ["--configfile", str(resource("config/config.yaml")), "--configfile", str(path)]


def test_the_command_fetches_by_name(configured, tmp_path):
    result = CliRunner().invoke(app, ["fetch", "inception", "--yes", *configured])
    assert result.exit_code == 0 and "licence Apache-2.0" in result.output
    assert (tmp_path / "weights" / "inception-2015-12-05.pt").read_bytes() == CONTENT


def test_the_command_asks_for_no_terminal_where_it_fetches_nothing(configured, server, tmp_path):
    (tmp_path / "inception-2015-12-05.pt").write_bytes(CONTENT)
    for _ in range(2):  # the second time it is there
        result = CliRunner().invoke(app, ["fetch", "inception", "--from-dir", str(tmp_path), *configured])
        assert result.exit_code == 0 and server.requests == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["inception"], "no terminal to ask at; give --yes"),
        (["incepton", "--yes"], "did you mean 'inception'"),
        (["cifar10-ddpm-mini", "--yes"], "nothing of it has to be fetched"),
        (["inception", "--yes", "--from-dir", "nowhere"], "inception-2015-12-05.pt is missing; put the file of"),
    ],
)
def test_the_command_s_faults_are_one_line(configured, options, message):
    result = CliRunner().invoke(app, ["fetch", *options, *configured])
    assert result.exit_code != 0
    assert message in str(result.exception) and "\n" not in str(result.exception)
