"""A tiny CLIP with random weights in a folder, for tests of what reads its images and text."""

import json

import torch
from transformers import CLIPConfig, CLIPModel

from morse.files import sha256

LENGTH = 16
"""Tokens of the longest prompt, with both ends."""
DIM = 12
MERGES = (("c", "a"), ("ca", "t</w>"), ("d", "o"), ("do", "g</w>"), ("a", "b"))


def byte_letters():
    """The 256 letters that stand for bytes in a vocabulary of GPT-2's kind."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    odd = [byte for byte in range(256) if byte not in plain]
    return [chr(byte) for byte in plain] + [chr(256 + number) for number in range(len(odd))]


def save_clip(folder, seed=0, side=32):
    """Writes a CLIP's folder as transformers does. Returns the model and its extractor's card."""
    folder.mkdir(parents=True, exist_ok=True)
    letters = byte_letters()
    words = letters + [f"{letter}</w>" for letter in letters] + ["".join(pair) for pair in MERGES]
    words += ["<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({word: n for n, word in enumerate(words)}), encoding="utf-8")
    lines = ["#version: 0.2", *(" ".join(pair) for pair in MERGES)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    size = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    ends = {"bos_token_id": len(words) - 2, "eos_token_id": len(words) - 1, "pad_token_id": len(words) - 1}
    text = size | ends | {"vocab_size": len(words), "max_position_embeddings": LENGTH}
    config = CLIPConfig(
        text_config=text, vision_config=size | {"image_size": side, "patch_size": 8}, projection_dim=DIM
    )
    torch.manual_seed(seed)
    model = CLIPModel(config).eval()
    with torch.no_grad():  # its own start is so small that all images look alike
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    model.save_pretrained(folder)
    weights = folder / "model.safetensors"
    card = {"kind": "clip", "caption": "Fréchet distance (tiny CLIP)", "dimension": DIM}
    return model, card | {"weights": {"file": str(weights), "sha256": sha256(weights)}}
