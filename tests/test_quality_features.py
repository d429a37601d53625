"""Files of features that unlike extractors made are told apart, with the way out."""

import os
import subprocess

import numpy as np
import pytest

from morse.quality.features import Features, read_features, read_with_reference
from morse.quality.statistics import Statistics


def saved(folder, *extractors):
    """Files of two images each, in order of age."""
    paths = [folder / f"shard={number}.npz" for number in range(len(extractors))]
    for number, (path, extractor) in enumerate(zip(paths, extractors, strict=True)):
        Features(extractor, "run", 2 * number, np.ones((2, 3), np.float32)).save(path)
        os.utime(path, (number, number))
    return paths


def reference(path, extractor, age):
    found = Statistics.empty(extractor, "shapes", (1, 4, 4), 3, groups=1)
    found.save(path)
    os.utime(path, (age, age))
    return path


def left_by_the_command_of(read, *paths):
    with pytest.raises(ValueError, match="which is newer, by") as error:
        read()
    message = str(error.value)
    assert "\n" not in message and str(paths[0]) in message
    command = message.split("to make anew: ")[1].removesuffix(", then run again")
    subprocess.run(command, shell=True, check=True)
    return [path.name for path in paths if path.exists()]


def test_older_files_of_another_extractor_are_made_anew(tmp_path):
    paths = saved(tmp_path / "it's", "net/1", "net/2", "net/1", "net/2")
    assert left_by_the_command_of(lambda: read_features(paths), *paths) == ["shard=1.npz", "shard=3.npz"]


def test_a_reference_of_another_extractor_is_made_anew_or_the_features_are(tmp_path):
    paths = saved(tmp_path, "net/2", "net/2")
    older = reference(tmp_path / "older.npz", "net/1", age=0)
    assert left_by_the_command_of(lambda: read_with_reference(paths, older), older, *paths) == [
        "shard=0.npz",
        "shard=1.npz",
    ]
    newer = reference(tmp_path / "newer.npz", "net/3", age=9)
    assert left_by_the_command_of(lambda: read_with_reference(iter(paths), newer), *paths, newer) == ["newer.npz"]


def test_files_of_one_extractor_are_read_with_its_reference(tmp_path):
    features, statistics = read_with_reference(saved(tmp_path, "a", "a"), reference(tmp_path / "r.npz", "a", age=9))
    assert len(features.values) == 4 and statistics.data == "shapes"
