"""What others publish: places, addresses, hashes; what is missing is one line with one command."""

from hashlib import md5, sha256
from pathlib import Path

import pytest

from morse.experiments.cards import names, read_card, resource
from morse.experiments.sources import CARD_OF, KINDS, published_by
from morse.files import DamagedFile
from morse.published import Source, check, lacking, origin, published_place, sources_of

CARDS = [(kind, name) for kind in KINDS for name in names(CARD_OF.get(kind, kind))]


def test_weights_and_data_are_in_folders_that_variables_name(monkeypatch):
    monkeypatch.setenv("MORSE_WEIGHTS", "/big/weights")
    monkeypatch.delenv("MORSE_DATA", raising=False)
    assert resource("weights/a/b.pt") == Path("/big/weights/a/b.pt")
    assert resource("data/c.json") == Path("data/c.json")
    assert published_place("resources/data/d.npz") is None and published_place("weights") is None
    assert resource("/weights/e.pt") == Path("/weights/e.pt")


@pytest.mark.parametrize(("kind", "name"), CARDS)
def test_every_card_s_sources_have_an_address_a_licence_and_a_place(kind, name):
    for source in sources_of(kind, name, read_card(CARD_OF.get(kind, kind), name)):
        assert source.address and source.licence and source.path.name
        assert source.digest == "" or source.digest.partition(":")[0] in ("sha256", "md5")
        assert len(source.digest.partition(":")[2]) in (0, 32, 64)
        assert (source.url or "https://").startswith("https://")


def test_originals_of_a_model_are_apart_and_an_extractor_s_file_is_where_it_is_read(monkeypatch):
    monkeypatch.setenv("MORSE_WEIGHTS", "/w")
    entry = {"file": "model.ckpt", "url": "https://a.b/c", "md5": "0" * 32, "size": 7}
    (model,) = sources_of("model", "m", {"dash": {"source": [entry]}, "licence": "MIT"})
    assert model == Source(
        "m", Path("/w/originals/m/model.ckpt"), url="https://a.b/c", size=7, digest="md5:" + "0" * 32, licence="MIT"
    )
    (inception,) = published_by(["inception"], {})
    card = read_card("extractor", "inception")
    assert inception.path == resource(card["weights"]["file"])
    assert inception.digest == f"sha256:{card['weights']['sha256']}"


@pytest.mark.parametrize("entry", [{}, {"url": "a", "by_hand": "b"}, {"hub": "a/b"}, {"url": "a", "path": "b"}])
def test_a_file_has_one_address(entry):
    with pytest.raises(ValueError, match="m: source: f needs one of url, hub with path, and by_hand"):
        sources_of("model", "m", {"dash": {"source": [{"file": "f"} | entry]}})


@pytest.mark.parametrize("wrong", [{"sha256": "0" * 63}, {"sha256": "g" * 64}, {"md5": "0" * 64}])
def test_half_a_hash_is_refused_before_anything_is_fetched(wrong):
    (kind,) = wrong
    with pytest.raises(ValueError, match=f"^m: source: f: {kind} has not (64|32) hexadecimal digits$"):
        sources_of("model", "m", {"dash": {"source": [{"file": "f", "url": "https://a.b/f"} | wrong]}})


def test_what_is_missing_is_one_line_with_one_command(tmp_path):
    there = tmp_path / "there"
    there.write_bytes(b"x")
    sources = [
        Source("a", there),
        Source("b", tmp_path / "c"),
        Source("d", tmp_path / "e"),
        Source("b", tmp_path / "f"),
    ]
    message = lacking(sources)
    assert message.endswith("run `morse fetch b d`") and "\n" not in message and str(there) not in message
    assert lacking(sources[:1]) == ""
    assert lacking([Source("a", tmp_path)]) == ""  # a folder that a person puts there


def test_size_and_hash_are_checked(tmp_path):
    path, content = tmp_path / "w.pt", b"weights"
    path.write_bytes(content)
    for digest in (f"sha256:{sha256(content).hexdigest()}", f"md5:{md5(content).hexdigest()}", ""):
        check(Source("a", path, size=7, digest=digest), path)
    with pytest.raises(DamagedFile, match="w.pt has 7 bytes, not 8; https://a may hold another file now"):
        check(Source("a", path, url="https://a", size=8), path)
    with pytest.raises(DamagedFile, match=f"w.pt has md5 {md5(content).hexdigest()}, not 00.*; o/r: in may hold"):
        check(Source("a", path, hub="o/r", inside="in", digest="md5:" + "0" * 32), path)


def test_overrides_change_what_is_published():
    weights = {"sha256": "1" * 64, "source": [{"file": "other.pt", "url": "http://127.0.0.1/x"}]}
    (source,) = published_by(["inception"], {"extractors": {"inception": {"weights": weights}}})
    assert (source.url, source.digest) == ("http://127.0.0.1/x", "sha256:" + "1" * 64)


def test_the_hash_of_an_extractor_is_that_of_its_own_file_of_several():
    weights = {"sha256": "1" * 64}
    found = published_by(["clip-vit-l14"], {"extractors": {"clip-vit-l14": {"weights": weights}}})
    assert {source.path.name: source.digest for source in found} == {
        "model.safetensors": "sha256:" + "1" * 64, "config.json": "", "vocab.json": "", "merges.txt": ""
    }  # fmt: skip
    assert {source.path.parent.name for source in found} == {"clip-vit-l14"}
    assert not any(source.digest for source in published_by(["clip-vit-g14"], {}))


@pytest.mark.parametrize(
    ("name", "message"), [("incepton", "unknown name 'incepton'"), ("fashion-mnist", "nothing of it has to be fetched")]
)
def test_a_name_without_sources_is_one_line(name, message):
    with pytest.raises(ValueError, match=message) as error:
        published_by([name], {})
    assert "\n" not in str(error.value)


def test_several_files_are_converted_from_their_folder():
    assert origin([Path("weights/originals/m/a.ckpt")]) == Path("weights/originals/m/a.ckpt")
    assert origin([Path("originals/m/a.json"), Path("originals/m/b.txt")]) == Path("originals/m")
