"""Published weights are fetched whole and checked, or not at all, and their absence is one line."""

import resource
from hashlib import sha256

import pytest

from morse.files import DamagedFile, UnwritableFile
from morse.published import INCEPTION, Published, directory, fetch, require_present, require_published

CONTENT = b"weights" * 1000


@pytest.fixture
def published(tmp_path):
    source = tmp_path / "served.pt"
    source.write_bytes(CONTENT)
    return Published("some.pt", source.as_uri(), sha256(CONTENT).hexdigest())


def test_fetched_weights_are_the_published_ones(published, tmp_path, monkeypatch):
    monkeypatch.setenv("MORSE_WEIGHTS", str(tmp_path / "store"))
    fetch(published, directory() / published.file)
    assert require_published(published, published.sha256).read_bytes() == CONTENT


def test_other_bytes_leave_nothing_behind(published, tmp_path):
    wrong = Published(published.file, published.url, "0" * 64)
    with pytest.raises(DamagedFile, match=f"gives sha256 {published.sha256}, not 0000.*; nothing was written"):
        fetch(wrong, tmp_path / "store" / wrong.file)
    assert not list((tmp_path / "store").iterdir())


def test_an_address_that_cannot_be_read_is_one_line_with_the_remedy(published, tmp_path):
    gone = Published(published.file, published.url + ".gone", published.sha256)
    with pytest.raises(
        DamagedFile, match=r"some.pt cannot be fetched \(.*\); put file:.* at .*some.pt by hand"
    ) as error:
        fetch(gone, tmp_path / "store" / gone.file)
    assert "\n" not in str(error.value) and not list((tmp_path / "store").iterdir())


@pytest.mark.parametrize(
    ("value", "place"),
    [(None, "MORSE_WEIGHTS is not set, so weights/ was searched"), ("empty", "MORSE_WEIGHTS is empty")],
)
def test_absent_weights_are_one_line_with_file_folder_and_remedy(tmp_path, monkeypatch, value, place):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MORSE_WEIGHTS", raising=False)
    if value:
        monkeypatch.setenv("MORSE_WEIGHTS", value)
    for weights in set(INCEPTION.values()):
        with pytest.raises(DamagedFile) as error:
            require_present(weights)
        message = str(error.value)
        assert (
            message.startswith(f"weights {weights.file} are missing ({place}); run `snakemake")
            and weights.url in message
        )
        assert "\n" not in message


def test_the_name_of_pytorch_fids_file_holds_the_start_of_its_hash():
    weights = INCEPTION["inception-legacy-pytorch"]
    assert weights.file.endswith(f"-{weights.sha256[:8]}.pth")


def test_a_full_disk_is_not_taken_for_a_fault_of_the_address(published, tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, before[1]))
    try:
        with pytest.raises(UnwritableFile, match="w.pt cannot be written .File too large.; free space on that disk"):
            fetch(published, tmp_path / "store" / "w.pt")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list((tmp_path / "store").iterdir())


def test_a_hash_in_capitals_is_the_same_and_one_cut_short_says_so(published, tmp_path, monkeypatch):
    monkeypatch.setenv("MORSE_WEIGHTS", str(tmp_path))
    fetch(published, directory() / published.file)
    assert require_published(published, published.sha256.upper()) == tmp_path / published.file
    with pytest.raises(ValueError, match="has 12 digits, not 64; give what `sha256sum` prints"):
        require_published(published, published.sha256[:12])
