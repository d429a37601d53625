"""Text encoders: prompts -> what a text model's network is conditioned on.

Stable Diffusion has CLIP's text model (Radford et al. 2021, arXiv 2103.00020), and takes its last
hidden states. SDXL (Podell et al. 2023, arXiv 2307.01952, section 2.1) has two, and takes the
hidden states before the last of both, the pooled text of the second, and the image's size.

A prompt has 77 tokens: longer ones are cut, shorter ones are padded. An empty prompt is allowed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from morse.dash.conditioning import Condition

TOKENS = 77
"""L, of CLIP's text."""
START, END = "<|startoftext|>", "<|endoftext|>"


@dataclass(frozen=True)
class TextEncoders:
    """One or two frozen text models of CLIP with their tokenizers.

    Attributes:
        models: of transformers.
        tokenizers: of transformers, one for each model.
        penultimate: whether the network takes the hidden states before the last, as SDXL.
        size: H = W of the images that the network is told of, as SDXL; 0 for none.
    """

    models: tuple[nn.Module, ...]
    tokenizers: tuple[Any, ...]
    penultimate: bool = False
    size: int = 0

    @torch.no_grad()
    def encode(self, prompts: Sequence[str]) -> Condition:
        """Encoded prompts (:mod:`morse.dash.conditioning`), on the models' device.

        Returns:
            ``(text,)``, or for SDXL ``(text, pooled, time_ids)``.
        """
        found = [self._hidden(number, prompts) for number in range(len(self.models))]
        text = torch.cat([hidden for hidden, _ in found], dim=-1)
        if not self.size:
            return (text,)
        numbers = [self.size, self.size, 0, 0, self.size, self.size]  # original size, crop, wanted size
        return text, found[-1][1], torch.tensor([numbers] * len(prompts), dtype=text.dtype, device=text.device)

    def _hidden(self, number: int, prompts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """The hidden states (B, 77, D) of one model, and its first output: pooled (B, P), or the
        last hidden states."""
        model = self.models[number]
        made = model(self.tokens(number, prompts).to(model.device), output_hidden_states=self.penultimate)
        return made.hidden_states[-2] if self.penultimate else made[0], made[0]

    def tokens(self, number: int, prompts: Sequence[str]) -> Tensor:
        """The tokens of prompts by one tokenizer, (B, 77), cut and padded."""
        made = self.tokenizers[number](
            list(prompts), padding="max_length", max_length=TOKENS, truncation=True, return_tensors="pt"
        )
        return made.input_ids

    def cut(self, prompts: Sequence[str]) -> int:
        """How many of the prompts are too long, and lose their ends."""
        whole = self.tokenizers[0](list(prompts), verbose=False).input_ids
        return sum(len(tokens) > TOKENS for tokens in whole)


def build_text_models(settings: Mapping[str, Any]) -> tuple[nn.Module, ...]:
    """Text models with random weights.

    Args:
        settings: a card's ``text``. Each of ``encoders`` has ``hidden_size``,
            ``intermediate_size``, ``layers``, ``heads``, ``vocab_size``, ``hidden_act`` and, if its
            pooled text is used, ``projection``.
    """
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection  # seconds to load

    models: list[nn.Module] = []
    for one in settings["encoders"]:
        config = CLIPTextConfig(
            hidden_size=one["hidden_size"],
            intermediate_size=one["intermediate_size"],
            num_hidden_layers=one["layers"],
            num_attention_heads=one["heads"],
            vocab_size=one["vocab_size"],
            hidden_act=one["hidden_act"],
            max_position_embeddings=TOKENS,
            projection_dim=one.get("projection", 512),
            bos_token_id=one["vocab_size"] - 2,
            eos_token_id=2,  # as published: the largest token of a text is its end
            pad_token_id=1,
        )
        models.append((CLIPTextModelWithProjection if "projection" in one else CLIPTextModel)(config))
    return tuple(model.eval().requires_grad_(False) for model in models)


def text_encoders(
    settings: Mapping[str, Any], models: tuple[nn.Module, ...], tokenizers: Sequence[str]
) -> TextEncoders:
    """Text models with their tokenizers.

    Args:
        settings: a card's ``text``, with ``hidden`` ("last" or "penultimate"), ``padding`` of each
            tokenizer, and ``size`` if the network is told of it.
        tokenizers: of :func:`tokenizer_text`.
    """
    made = tuple(tokenizer_of(text, pad) for text, pad in zip(tokenizers, settings["padding"], strict=True))
    return TextEncoders(models, made, settings["hidden"] == "penultimate", settings.get("size", 0))


def tokenizer_text(vocabulary: Mapping[str, int], merges: Sequence[Sequence[str]]) -> str:
    """A tokenizer as text: equal ones give equal text.

    Args:
        vocabulary: token -> number.
        merges: pairs of tokens that become one, the first pair first.
    """
    ordered = dict(sorted(vocabulary.items(), key=lambda entry: entry[1]))
    return json.dumps({"vocabulary": ordered, "merges": [list(pair) for pair in merges]}, separators=(",", ":"))


def tokenizer_of(text: str, pad: str) -> Any:
    """A CLIP tokenizer of :func:`tokenizer_text`, which pads with the token ``pad``."""
    from transformers import CLIPTokenizer

    content = json.loads(text)
    merges = [tuple(pair) for pair in content["merges"]]
    return CLIPTokenizer(vocab=content["vocabulary"], merges=merges, pad_token=pad, model_max_length=TOKENS)
