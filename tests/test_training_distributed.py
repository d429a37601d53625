"""Training by several processes: the same batch, the same weights, and all stop if one does.

Each test starts real processes, which talk by gloo.
"""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from networks import tiny_card, tiny_dash
from safetensors.torch import load_file
from torch.multiprocessing import ProcessRaisedException

from morse.checkpoints import write_state
from morse.files import DamagedFile, sha256
from morse.training.distributed import agreed, is_first, members, rank, run, sum_gradients, summed, together, world

pytestmark = pytest.mark.slow
WITH_ALL = {"learned_variance": True, "classes": 3, "dropout": 0.1}


@pytest.fixture(autouse=True)
def one_thread():
    """A thread for each process, so that one and two processes round alike."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def prepared(folder, family="ddpm", unet=None, **training):
    """A card, and its Dash in the folder. Its learning rate is half the paper's."""
    folder.mkdir()
    write_state(tiny_dash(family=family, **(unet or {})).network.state_dict(), folder / "dash.safetensors")
    card = tiny_card(unet, {"channels": [16, 32]}, steps=20, family=family)
    recipe = card["dot"]["training"]
    recipe |= {"chain": {"chains": 4, "points": 3, "steps": 3}} | training
    recipe["train"] |= {"learning_rate": 1e-4}
    return card, str(folder)


def weights(folder):
    return load_file(Path(folder) / "dot.safetensors")


def furthest(one, other):
    assert set(one) == set(other)
    return max((one[name] - other[name]).abs().max().item() for name in one)


def test_one_process_alone_needs_no_group():
    assert run(1, "cpu", "processes:sums") == (0, 1, 1.0, 0.5, [[1.0, 1.0], [1.0, 1.0]], [1.0, 1.0, 1.0])
    assert (rank(), world(), agreed(3, "a number"), is_first()) == (0, 1, 3, True)
    assert summed(torch.tensor(2.0)) == 2.0 and sum_gradients([], torch.tensor(0.5)) == 0.5
    with pytest.raises(DamagedFile, match="^gone$"), together():
        raise DamagedFile("gone")


def test_gradients_and_losses_are_summed_over_processes():
    """A parameter without a gradient in one process counts as zero there."""
    assert run(2, "cpu", "processes:sums") == (0, 2, 2.0, 1.0, [[3.0, 3.0], [3.0, 3.0]], [1.0, 1.0, 1.0])


@pytest.mark.parametrize(
    ("family", "unet", "training"),
    [("ddpm", {}, {}), ("adm", WITH_ALL, {"accumulate": 2, "gradient_checkpointing": True})],
    ids=["plain", "classes-variance-dropout-parts"],
)
def test_two_processes_train_what_one_trains(tmp_path, family, unet, training):
    """After 20 steps all weights agree to 1e-5, though they moved a hundred times further."""
    card, one = prepared(tmp_path / "one", family, unet)
    run(1, "cpu", "processes:train", card, one)
    card, two = prepared(tmp_path / "two", family, unet, **training)
    run(2, "cpu", "processes:train", card, two)
    assert furthest(weights(one), weights(two)) < 1e-5
    assert weights(one)["conv_out.weight"].abs().max() > 1e-3  # zero before training


def test_if_one_is_killed_all_stop_and_the_next_run_ends_bit_for_bit_the_same(tmp_path):
    card, whole = prepared(tmp_path / "whole")
    record = run(2, "cpu", "processes:train", card, whole)
    card, halted = prepared(tmp_path / "halted")
    with pytest.raises(ChildProcessError, match=r"^process 1 of 2 was killed \(SIGKILL\).*; run again") as error:
        run(2, "cpu", "processes:train", card, halted, 7)
    assert "\n" not in str(error.value)
    resume, dot = (Path(halted) / name for name in ("dot.resume", "dot.safetensors"))
    assert torch.load(resume, weights_only=True)["step"] == 6 and not dot.exists()
    resumed = run(2, "cpu", "processes:train", card, halted)
    assert resumed["sha256"] == record["sha256"] == sha256(dot)
    assert not resume.exists()


@pytest.mark.parametrize(
    ("target", "arguments", "kind", "message"),
    [
        ("fails", (1, DamagedFile), (DamagedFile, ValueError), "^images of data.npz are missing$"),
        ("differs", (), ValueError, "^process 1 has a number 1 and process 0 has 0; give all processes the same"),
        ("fails_without_a_reason", (), ProcessRaisedException, "(?s)Traceback.*list index out of range"),
    ],
)
def test_an_error_in_one_process_is_told_once(target, arguments, kind, message):
    with pytest.raises(kind, match=message):
        run(2, "cpu", f"processes:{target}", *arguments)


def test_processes_need_a_gpu_each(monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    environment = {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "MASTER_ADDR": "127.0.0.1"}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert not is_first() and members(8) == 2
    with pytest.raises(ValueError, match="a process for each GPU: there are 1, so give 1 processes or fewer"):
        run(1, "cuda", "processes:sums")


def test_processes_of_torchrun_join_each_other():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    code = "import json; from morse.training.distributed import run; print(json.dumps(run(1, 'cpu', 'processes:sums')))"
    group = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    path = {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            env={**os.environ, **group, **path, "RANK": number, "LOCAL_RANK": number},
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )
        for number in ("0", "1")
    ]
    found = [json.loads(process.communicate(timeout=300)[0]) for process in started]
    assert [one[:3] for one in found] == [[0, 2, 2.0], [1, 2, 2.0]]
