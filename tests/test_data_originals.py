"""Files of published data sets: what is there, what is foreign, how many images there must be."""

import pytest

from morse.data.originals import files_of, hash_of_names, hashes, missing, reading, require_stated
from morse.files import DamagedFile, sha256


@pytest.fixture
def folder(tmp_path):
    for name in ("b.png", "a/2.JPG", "a/10.jpeg", ".hidden.txt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(name.encode())
    return tmp_path


def test_files_are_those_of_all_folders_in_the_order_of_their_names(folder):
    assert [str(path.relative_to(folder)) for path in files_of(folder)] == ["a/10.jpeg", "a/2.JPG", "b.png"]


def test_a_foreign_file_is_named(folder):
    (folder / "a" / "read.me").write_bytes(b"")
    with pytest.raises(ValueError, match=r"a/read\.me is none of \.jpg, .*; move it out of the data set's folder"):
        files_of(folder)
    assert len(files_of(folder, (".jpg", ".jpeg", ".png", ".me"))) == 4


def test_a_folder_without_images_is_one_line(tmp_path):
    with pytest.raises(DamagedFile, match=r"has no images; get the data set as its task's card says"):
        files_of(tmp_path)
    assert "has no this and no that; get" in str(missing(tmp_path, "this", "that"))


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError("cut\n  short"), "a.zip is damaged (cut short); get it again"),
        (KeyError("no 'b' in it"), "a.zip is damaged (no 'b' in it); get it again"),
        (NotImplementedError(), "a.zip is damaged (NotImplementedError); get it again"),
        (PermissionError(13, "Permission denied"), "a.zip cannot be read (Permission denied); make it readable"),
        (DamagedFile("another line"), "another line"),
    ],
)
def test_whatever_a_reader_raises_is_one_line(error, line):
    with pytest.raises(DamagedFile) as caught, reading("a.zip"):
        raise error
    assert str(caught.value) == line


@pytest.mark.parametrize("error", [MemoryError, KeyboardInterrupt])
def test_want_of_memory_and_an_interrupt_are_no_damage(error):
    with pytest.raises(error), reading("a.zip"):
        raise error


def test_what_is_done_with_what_was_read_is_not_called_damage():
    def numbers():
        with reading("a.zip"):
            yield from range(3)

    with pytest.raises(ValueError, match="mine"):
        for number in numbers():
            raise ValueError(f"mine {number}")


def test_the_number_of_images_is_the_card_s(tmp_path):
    assert require_stated({"images": {"train": 3}}, "train", 3, tmp_path) == 3
    assert require_stated({}, "train", 4, tmp_path) == 4
    with pytest.raises(ValueError, match="has 4 images of train, and data: images says 3; get the whole set"):
        require_stated({"images": {"train": 3}}, "train", 4, tmp_path)


def test_hashes_are_of_contents_or_of_names_and_sizes(folder):
    paths = files_of(folder)
    assert hashes(paths[:1], folder) == {"a/10.jpeg": sha256(paths[0])}
    before = hash_of_names(paths, folder)
    assert before != hash_of_names(paths[1:], folder)
    paths[0].write_bytes(b"another size")
    assert before != hash_of_names(paths, folder)
