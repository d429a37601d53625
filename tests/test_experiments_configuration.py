"""The configuration: files in order, read strictly, and errors that name the file."""

import pytest

from morse.experiments.cards import ROOT
from morse.experiments.configuration import read_configuration

DEFAULT = ROOT / "config" / "config.yaml"


def files(folder, *contents):
    """The default and files of these contents."""
    paths = [folder / f"{index}.yaml" for index in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_text(content, encoding="utf-8")
    return [DEFAULT, *paths]


def test_later_files_win_key_by_key_and_the_command_line_wins_over_all(tmp_path):
    asked = files(tmp_path, "images: 50\nquality: {margin: 1e-2}", "images: 60\nlatency: {batch_sizes: []}")
    found = read_configuration(asked, {"images": 70})
    assert (found["images"], found["quality"]["margin"], found["quality"]["groups"]) == (70, 0.01, 20)
    assert found["latency"]["batch_sizes"] == [] and read_configuration(asked)["images"] == 60


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("images: 010", "line 1: 010 may be read as several numbers"),
        ("images: 40\nimages: 50", "line 2: the key 'images' is there twice"),
        ("images: '40'", "images: '40' is not of type 'integer'; write it without quotes"),
        ("quality: {margin: .nan}", "line 1: .nan is not a finite number"),
        ("morse: {paper: {dot_share: 0,25}}", "line 1: the key '25' is not text"),
        ("pathvars: {result: x}", "pathvars: unknown key 'result'; did you mean 'results'?"),
        ("pathvars: {results: 'a{b}'}", "pathvars.results: 'a{b}' does not match"),
        ("pathvars: {results: 1}", "pathvars.results: 1 is not of type 'string'; put it in quotes"),
        ("overrides: {models: {cifar10-ddpm-mini: }}", "overrides.models['cifar10-ddpm-mini']: None is not of type"),
        ("overrides: {model: {}}", "overrides: unknown key 'model'; did you mean 'models'?"),
        ("- images", "top level: ['images'] is not of type 'object'"),
    ],
)
def test_what_is_wrong_names_its_file(content, message, tmp_path):
    with pytest.raises(ValueError) as error:
        read_configuration(files(tmp_path, "images: 50", content))
    assert str(error.value).startswith(f"{tmp_path / '1.yaml'}: {message}") and "\n" not in str(error.value)


def test_what_is_missing_or_wrong_of_all_is_said_of_the_configuration(tmp_path):
    with pytest.raises(ValueError, match="^configuration: top level: .* is a required property"):
        read_configuration(files(tmp_path, "images: 50")[1:])
    with pytest.raises(ValueError, match="^configuration: images: 'many' is not of type 'integer'"):
        read_configuration([DEFAULT], {"images": "many"})
