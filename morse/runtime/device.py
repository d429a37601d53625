"""The device that networks run on: its choice, name, memory layout, precision and peak memory."""

from __future__ import annotations

import resource
import sys

import torch
from torch import nn

from morse.provenance import processor, processor_flags, usable_cores
from morse.runtime.gpus import claim


def place(network: nn.Module, device: torch.device | str) -> nn.Module:
    """The network on a device, its weights in the layout that is fast there."""
    return network.to(device, memory_format=memory_format(device))


def peak_memory(device: torch.device | str) -> int:
    """The peak memory of this process in bytes: on a GPU what torch allocated there, else the
    resident memory, libraries included."""
    if torch.device(device).type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def wait_for(device: torch.device | str) -> None:
    """Returns when all work on a GPU is done. A processor's work always is."""
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)


def memory_format(device: torch.device | str) -> torch.memory_format:
    """The memory format of weights on a device: channels last on a CPU, which speeds up
    convolutions of few channels.

    On two AVX-512 cores the twin's Dash took 0.96 of the time and Dot 0.87 (batch size 100),
    Inception 0.64, EfficientNet-Lite0 0.6.
    """
    return torch.channels_last if torch.device(device).type == "cpu" else torch.contiguous_format


def fast_precision(device: torch.device | str) -> str:
    """The precision in which training is fast on a device: "bfloat16" on a GPU or a processor that
    has it, else "float32".

    On a processor without AVX512-BF16 or AMX, autocast to bfloat16 is emulated. On an EPYC with
    AVX2 alone a call of the twin's Dash on 100 images took 6.8 s, and 0.9 s in float32.
    """
    if torch.device(device).type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    return "bfloat16" if {"avx512_bf16", "amx_bf16"} & processor_flags() else "float32"


def device_of(choice: str, threads: int) -> str:
    """The choice "auto", "cpu" or "cuda" -> torch's device. Also limits torch's threads to the
    machine's cores.

    Of several GPUs it is one that no other job holds (:func:`morse.runtime.gpus.claim`).
    """
    torch.set_num_threads(min(threads, usable_cores()))
    if choice == "cuda" and not torch.cuda.is_available():
        raise ValueError("device: cuda, but torch finds no GPU here; set device: auto or cpu")
    if choice == "cpu" or not torch.cuda.is_available():
        return "cpu"
    if (count := torch.cuda.device_count()) > 1:
        torch.cuda.set_device(claim(count))  # it is what "cuda" means from now on
    return "cuda"


def device_name(device: torch.device | str) -> str:
    """The accelerator's name for the record, or the processor's with the number of cores that torch
    uses."""
    return (
        torch.cuda.get_device_name(device)
        if torch.device(device).type == "cuda"
        else processor(torch.get_num_threads())
    )
