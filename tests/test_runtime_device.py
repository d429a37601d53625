"""The choice of a device, and what it means for precision, memory layout and names."""

import pytest
import torch

from morse.provenance import processor
from morse.runtime import device as module
from morse.runtime.device import device_name, device_of, fast_precision, memory_format, peak_memory, place


@pytest.fixture(autouse=True)
def threads():
    """Tests may change the number of torch's threads."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def with_gpu(monkeypatch, present, bfloat16=True):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: present)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: bfloat16)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({"avx2"}, "float32"),
        ({"avx512f"}, "float32"),
        ({"avx512_bf16", "avx2"}, "bfloat16"),
        ({"amx_bf16"}, "bfloat16"),
        ({}, "float32"),
    ],
)
def test_training_on_a_processor_is_fast_in_what_its_flags_say(monkeypatch, flags, expected):
    monkeypatch.setattr(module, "processor_flags", lambda: frozenset(flags))
    assert fast_precision("cpu") == fast_precision(torch.device("cpu")) == expected


@pytest.mark.parametrize(("supported", "expected"), [(True, "bfloat16"), (False, "float32")])
def test_training_on_a_gpu_is_fast_in_what_the_gpu_supports(monkeypatch, supported, expected):
    with_gpu(monkeypatch, True, supported)
    monkeypatch.setattr(module, "processor_flags", lambda: pytest.fail("the processor does not count"))
    assert fast_precision("cuda") == fast_precision(torch.device("cuda:0")) == expected


@pytest.mark.parametrize(
    ("choice", "present", "expected"),
    [
        ("auto", True, "cuda"),
        ("auto", False, "cpu"),
        ("cpu", True, "cpu"),
        ("cpu", False, "cpu"),
        ("cuda", True, "cuda"),
    ],
)
def test_auto_is_a_gpu_where_there_is_one(monkeypatch, choice, present, expected):
    with_gpu(monkeypatch, present)
    assert device_of(choice, threads=1) == expected


@pytest.mark.parametrize("choice", ["auto", "cuda"])
def test_of_several_gpus_a_job_takes_one_of_its_own(monkeypatch, choice):
    with_gpu(monkeypatch, True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 8)
    monkeypatch.setattr(module, "claim", lambda count: count - 3)
    current = []
    monkeypatch.setattr(torch.cuda, "set_device", current.append)
    assert device_of(choice, threads=1) == "cuda"
    assert current == [5]


def test_a_gpu_that_is_not_there_is_one_line(monkeypatch):
    with_gpu(monkeypatch, False)
    with pytest.raises(ValueError, match="^device: cuda, but torch finds no GPU here; set device: auto or cpu$"):
        device_of("cuda", threads=1)


def test_threads_are_those_asked_for_up_to_the_machine_s_cores(monkeypatch):
    monkeypatch.setattr(module, "usable_cores", lambda: 2)
    for asked, expected in ((1, 1), (2, 2), (64, 2)):
        device_of("cpu", asked)
        assert torch.get_num_threads() == expected


def test_the_processor_s_name_has_the_cores_that_torch_uses():
    torch.set_num_threads(1)
    assert device_name("cpu") == processor(1)


def test_networks_on_a_processor_have_their_channels_last():
    assert (memory_format("cpu"), memory_format("cuda:0")) == (torch.channels_last, torch.contiguous_format)
    network = torch.nn.Conv2d(3, 4, 3)
    assert place(network, "cpu") is network
    assert network.weight.is_contiguous(memory_format=torch.channels_last)


def test_peak_memory_of_a_processor_is_in_bytes():
    assert 10_000_000 < peak_memory("cpu") < 1e12  # of a process that has loaded torch
