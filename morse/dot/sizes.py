"""How large a model's Dash and Dot are, and what their calls cost: parameters, FLOPs, memory.

All is counted on shapes alone, on the device "meta". So it takes seconds for the largest network,
and needs no weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from morse.dash.base import Dash
from morse.dash.loading import build_dash
from morse.dash.text import TOKENS
from morse.dot.loading import adapted_dot, new_dot
from morse.dot.lora import inference_dot
from morse.dot.network import Dot
from morse.experiments.cards import Card
from morse.runtime.flops import Count, count, count_parameters
from morse.runtime.latency import inputs
from morse.runtime.memory import peak_bytes

META = "meta"
"""The device on which tensors have a shape but no memory, so that large networks take no time."""

FLOAT32 = 4
"""Bytes."""


@dataclass(frozen=True)
class Sizes:
    """Sizes of a model's networks, and FLOPs of calls for one image.

    Attributes:
        dash_parameters, dot_parameters: of the whole networks; most of Dot's are Dash's.
        dot_own: parameters that Dot does not share with Dash: LoRA, extra blocks, timestep s.
        dash, dot: FLOPs of a call, Dot's with its LoRA merged.
        unmerged: FLOPs of a call of Dot with LoRA beside the shared layers, which saves their copy.
        step: FLOPs of a forward and backward pass of Dot in training.
        decode: FLOPs of making an image of a latent model's sample; 0 for models of pixels.
        encode: FLOPs of encoding a prompt; 0 for models without text.
        prompt: bytes of an encoded prompt in float32.
        autoencoder_parameters, text_parameters: of what is beside the network in Dash's file.
    """

    dash_parameters: int
    dot_parameters: int
    dot_own: int
    dash: Count
    dot: Count
    unmerged: Count
    step: Count
    decode: int
    encode: int
    prompt: int
    autoencoder_parameters: int
    text_parameters: int

    @property
    def ratio(self) -> float:
        """N by FLOPs."""
        return self.dash.total / self.dot.total

    @property
    def ratio_without_attention(self) -> float:
        """N by FLOPs if attention took no time."""
        return (self.dash.total - self.dash.attention) / (self.dot.total - self.dot.attention)

    @property
    def ratio_unmerged(self) -> float:
        """N by FLOPs with LoRA beside the shared layers."""
        return self.dash.total / self.unmerged.total


def sizes_of(card: Card) -> Sizes:
    """The sizes of a complete card's networks."""
    with torch.device(META):
        dash = build_dash(card)
        dot, adapted = new_dot(card, dash), adapted_dot(card, dash)
        of_dash, of_dot = inputs(dash.shape, 1, META, dash.example(1, META), dot.takes)
    with torch.no_grad():
        calls = count(lambda: dash(*of_dash)), count(lambda: dot(*of_dot)), count(lambda: adapted(*of_dot))
        decode = count(lambda: dash.decode(of_dash[0])).total
        encode = count(lambda: _encode(dash)).total
    step = count(_step(adapted, of_dot))
    own = count_parameters(adapted, trained_alone=True)
    return Sizes(
        count_parameters(dash.network),
        count_parameters(dot),
        own,
        *calls,
        step=step,
        decode=decode,
        encode=encode,
        prompt=FLOAT32 * sum(math.prod(shape) for shape in dash.prompt_shapes),
        autoencoder_parameters=0 if dash.autoencoder is None else count_parameters(dash.autoencoder.network),
        text_parameters=sum(map(count_parameters, _text_models(dash))),
    )


def _text_models(dash: Dash) -> tuple[nn.Module, ...]:
    return () if dash.encoders is None else dash.encoders.models


def _encode(dash: Dash) -> None:
    """The arithmetic of one prompt's encoding, without a tokenizer."""
    for model in _text_models(dash):
        model(torch.zeros((1, TOKENS), dtype=torch.int64, device=META))


def _step(dot: Dot, arguments: tuple[Tensor, ...]) -> Callable[[], None]:
    return lambda: dot(*arguments).square().mean().backward()


def sampling_bytes(card: Card, batch_size: int, with_dot: bool = True, merged: bool = True) -> int:
    """The peak memory of sampling in float32: weights, a batch of images, activations. Jobs that
    sample hold no text encoders.

    Args:
        with_dot: also hold a Dot, and call it.
        merged: Dot has its LoRA merged, in weights of its own. Otherwise it shares Dash's.
    """
    with torch.device(META), torch.no_grad():
        dash = build_dash(card, with_text=False)
        dot = _dot_of(card, dash, merged) if with_dot else None
        takes = None if dot is None else dot.takes
        of_dash, of_dot = inputs(dash.shape, batch_size, META, dash.example(batch_size, META), takes)

        def round_of_calls() -> None:
            dash(*of_dash)
            if dot is not None:
                dot(*of_dot)
            dash.decode(of_dash[0])

        return peak_bytes(round_of_calls, [*dash.state().values(), *_held(dot), *of_dash, *of_dot])


def _dot_of(card: Card, dash: Dash, merged: bool) -> Dot:
    if not merged:
        return adapted_dot(card, dash).eval()
    dot = new_dot(card, dash)
    return inference_dot(dot, dot.state_dict())


def _held(*networks: nn.Module | None) -> list[Any]:
    return [tensor for network in networks if network is not None for tensor in network.state_dict().values()]


def training_bytes(card: Card, pairs: int) -> int:
    """The peak memory of a training step of Dot in float32, on so many pairs at once.

    Beside weights, an autoencoder's and text encoders' too, and activations there are gradients,
    AdamW's two moments and the EMA of Dot's own parameters.
    """
    with torch.device(META):
        dash = build_dash(card)
        dot = adapted_dot(card, dash).train()
        _, of_dot = inputs(dash.shape, pairs, META, dash.example(pairs, META), dot.takes)
        own = [parameter for parameter in dot.parameters() if parameter.requires_grad]
        kept = [torch.empty_like(parameter) for parameter in own for _ in range(3)]
    return peak_bytes(_step(dot, of_dot), [*dash.state().values(), *_held(dot), *kept, *of_dot])
