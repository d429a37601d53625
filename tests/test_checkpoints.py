"""Weights as files: what a file of another network is told, prefixes above all."""

import pytest
import torch
from torch import nn

from morse.checkpoints import read_metadata, read_state, write_state
from morse.files import DamagedFile


def network():
    return nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))


def prefixed(prefix, state):
    return {prefix + name: value for name, value in state.items()}


def refused(path, like):
    with pytest.raises(DamagedFile) as error:
        read_state(path, like)
    assert str(error.value).startswith(f"weights {path} belong to another network: ") and "\n" not in str(error.value)
    return str(error.value)


def test_weights_and_metadata_come_back(tmp_path):
    state = network().state_dict()
    write_state(state, tmp_path / "w", dash="abc", form="é")
    back = read_state(tmp_path / "w", state)
    assert all(torch.equal(back[name], state[name]) for name in state) and back.keys() == state.keys()
    assert read_metadata(tmp_path / "w") == {"dash": "abc", "form": "é"}


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "model.", "_orig_mod.module.", "net.0."])
def test_names_behind_a_prefix_are_told_so_both_ways(tmp_path, prefix):
    state = network().state_dict()
    write_state(prefixed(prefix, state), tmp_path / "w")
    hint = f"; all names in the file begin with '{prefix}': take it off and save the weights again"
    assert refused(tmp_path / "w", state).endswith(f"7 more do not fit{hint}")
    write_state(state, tmp_path / "w")
    hint = f"; no name in the file begins with '{prefix}': put it before them and save the weights again"
    assert refused(tmp_path / "w", prefixed(prefix, state)).endswith(hint)


def test_a_prefix_of_another_network_says_that_this_is_not_all(tmp_path):
    state = network().state_dict()
    write_state(prefixed("module.", {"0.weight": state["0.weight"], "9.weight": state["1.weight"]}), tmp_path / "w")
    assert "begin with 'module.', though other names differ too: take it off" in refused(tmp_path / "w", state)


def test_other_networks_are_not_told_of_prefixes(tmp_path):
    state = network().state_dict()
    for other in ({"a.weight": torch.ones(1)}, state | {"more": torch.ones(1)}, prefixed("x", state)):
        write_state(other, tmp_path / "w")
        assert refused(tmp_path / "w", state).endswith("; check the card")
    write_state(state | {"0.bias": torch.ones(5)}, tmp_path / "w")
    assert "another network: 0.bias does not fit; check the card" in refused(tmp_path / "w", state)
