"""Features of prompts as a file: what is written comes back, and another list is refused."""

from dataclasses import replace

import numpy as np
import pytest

from morse.files import DamagedFile
from morse.quality.prompt_features import PromptFeatures

FEATURES = PromptFeatures("clip/abc", "list", 3, np.arange(6, dtype=np.float32).reshape(2, 3))


def test_a_file_restores_the_features(tmp_path):
    FEATURES.save(tmp_path / "f.npz")
    found = PromptFeatures.load(tmp_path / "f.npz", "list")
    assert (found.extractor, found.prompts, found.cut) == ("clip/abc", "list", 3)
    assert np.array_equal(found.values, FEATURES.values) and found.values.dtype == np.float32


def test_another_list_of_prompts_is_one_line_with_the_command(tmp_path):
    path = tmp_path / "f.npz"
    FEATURES.save(path)
    with pytest.raises(ValueError, match=f"is of the prompts list, and the task now has other; .*rm {path}") as error:
        PromptFeatures.load(path, "other")
    assert "\n" not in str(error.value)


def test_a_damaged_or_missing_file_is_one_line(tmp_path):
    with pytest.raises(DamagedFile, match="f.npz is missing"):
        PromptFeatures.load(tmp_path / "f.npz", "list")
    (tmp_path / "f.npz").write_bytes(b"PK nothing")
    with pytest.raises(DamagedFile, match="file of features of prompts .*f.npz is damaged"):
        PromptFeatures.load(tmp_path / "f.npz", "list")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"values": np.zeros((0, 3), np.float32)}, "name a prompt or more"),
        ({"values": np.zeros((2, 3))}, "must be float32"),
        ({"values": np.array([[1, 2], [np.inf, 0]], np.float32)}, "those of prompt 1 are not finite"),
        ({"cut": -1}, "cut must be a whole number"),
        ({"prompts": None}, "prompts"),
    ],
)
def test_what_no_file_should_hold_is_refused_before_writing(tmp_path, changes, said):
    with pytest.raises(ValueError, match=said):
        replace(FEATURES, **changes).save(tmp_path / "f.npz")
    assert not list(tmp_path.iterdir())
