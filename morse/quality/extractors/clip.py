"""CLIP's features of images and of text, by transformers, from a folder on this machine.

The folder holds the weights, ``config.json``, and the tokenizer's ``vocab.json`` and
``merges.txt``. Images and text are embedded into one space, where :mod:`morse.quality.clip_score`
compares them. The Fréchet distance on CLIP's features is not FID.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

from morse.data.pixels import UINT8_RULE, to_rgb
from morse.experiments.cards import resource
from morse.files import DamagedFile, read_json, require, sha256
from morse.quality.extractors.base import Extractor, TextFeatures

if TYPE_CHECKING:
    from transformers import CLIPModel, CLIPTokenizer

NAME = "clip"
CONFIG, VOCABULARY, MERGES = "config.json", "vocab.json", "merges.txt"
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
"""Of red, green and blue, as OpenAI's CLIP was trained (github.com/openai/CLIP, clip/clip.py)."""
BATCH, BATCH_ON_CPU = 100, 10


def prepare(images: Tensor, side: int = 224) -> Tensor:
    """CLIP's input: uint8 (B, 1 or 3, H, W) -> float32 (B, 3, side, side).

    As OpenAI does it: the shorter side is resized to ``side``, bicubic with antialiasing. Then the
    centre is cut out and normalised. Pillow resizes along the rows first, and rounds to whole grey
    levels each time.
    """
    x, (height, width) = to_rgb(images), images.shape[2:]
    size = [side * length // min(height, width) for length in (height, width)]
    for shape in ([height, size[1]], size):
        if shape != list(x.shape[2:]):
            x = functional.interpolate(x, shape, mode="bicubic", align_corners=False, antialias=True)
            x = x.round().clamp(0, 255)
    top, left = (round((length - side) / 2) for length in size)
    x = x[:, :, top : top + side, left : left + side] / 255
    mean, std = (torch.tensor(values, device=x.device)[:, None, None] for values in (MEAN, STD))
    return (x - mean) / std


def clip(settings: Mapping[str, Any], device: torch.device | str = "cpu") -> Extractor:
    """CLIP's image features, after the projection and not normalised.

    Args:
        settings: ``weights``, with the ``file`` (safetensors or .bin) and optionally its
            ``sha256``. The other files are in its folder.

    Raises:
        DamagedFile: one line, for a missing or altered file, or one that is not a CLIP's.
    """
    path, identity = _identified(settings["weights"])
    model = _model(path)
    side, dim = model.config.vision_config.image_size, model.config.projection_dim
    del model.text_model
    model.to(device)

    def embed(images: Tensor) -> Tensor:
        return model.get_image_features(pixel_values=prepare(images, side)).pooler_output

    return Extractor(NAME, dim, identity, embed, device, _batch_size(device))


def clip_text(settings: Mapping[str, Any], prompts: Sequence[str], device: torch.device | str = "cpu") -> TextFeatures:
    """CLIP's features of prompts, after the projection and not normalised.

    All prompts are padded to the same number of tokens, so the features do not depend on the batch.

    Args:
        settings: as for :func:`clip`.
        prompts: an empty one is allowed. Those that are too long (for OpenAI's CLIP more than 77
            tokens with both ends) are cut and counted.

    Raises:
        DamagedFile: as :func:`clip`.
    """
    path, identity = _identified(settings["weights"])
    model = _model(path)
    tokenizer, length = _tokenizer(path.parent, model), model.config.text_config.max_position_embeddings
    del model.vision_model
    model.to(device)
    values, cut, size = np.empty((len(prompts), model.config.projection_dim), np.float32), 0, _batch_size(device)
    with torch.inference_mode():
        for first in range(0, len(prompts), size):
            batch = list(prompts[first : first + size])
            cut += sum(len(tokens) > length for tokens in tokenizer(batch, verbose=False)["input_ids"])
            tokens = tokenizer(batch, padding="max_length", truncation=True, max_length=length, return_tensors="pt")
            found = model.get_text_features(**tokens.to(device)).pooler_output
            values[first : first + len(batch)] = found.float().cpu().numpy()
    return TextFeatures(identity, values, cut)


def _batch_size(device: torch.device | str) -> int:
    return BATCH_ON_CPU if torch.device(device).type == "cpu" else BATCH


def _identified(weights: Mapping[str, Any]) -> tuple[Path, str]:
    """The file of weights, once it is checked, and the identity of all files of its folder."""
    path = require(resource(weights["file"]), weights.get("sha256"), "weights")
    beside = [require(path.parent / name, what="file of CLIP") for name in (CONFIG, VOCABULARY, MERGES)]
    others = hashlib.sha256("".join(map(sha256, beside)).encode("ascii")).hexdigest()
    return path, f"{NAME}/{weights.get('sha256', '').lower() or sha256(path)}/{UINT8_RULE}/{others[:16]}"


def _model(path: Path) -> CLIPModel:
    from transformers import CLIPConfig, CLIPModel  # here: jobs of other extractors need not load it

    remedy = "fetch it again, or name another file in the extractor's card"
    content = read_json(path.parent / CONFIG, {"text_config": dict, "vision_config": dict, "projection_dim": int})
    try:
        config = CLIPConfig.from_dict(content)
        with torch.device("meta"):
            wanted = CLIPModel(config).state_dict()
    except Exception as error:  # transformers checks values by several types of errors
        raise DamagedFile(f"{path.parent / CONFIG} is no CLIP's ({' '.join(str(error).split())}); {remedy}") from error
    try:
        safe = path.suffix == ".safetensors"
        state = load_file(path) if safe else torch.load(path, map_location="cpu", weights_only=True)
        odd = [name for name, value in wanted.items() if name not in state or state[name].shape != value.shape]
    except (SafetensorError, RuntimeError, OSError, ValueError, EOFError, AttributeError, TypeError) as error:
        raise DamagedFile(f"weights {path} cannot be read ({' '.join(str(error).split())[:200]}); {remedy}") from error
    if odd:
        raise DamagedFile(f"weights {path} are not those of {CONFIG} beside it: {odd[0]} is missing or odd; {remedy}")
    # Older files have more, such as position_ids, which transformers now makes itself.
    kept = {name: state[name] for name in wanted}
    model = CLIPModel.from_pretrained(None, config=config, state_dict=kept, dtype=torch.float32)
    return model.eval().requires_grad_(False)


def _tokenizer(folder: Path, model: CLIPModel) -> CLIPTokenizer:
    """The tokenizer of a folder's vocabulary. Raises DamagedFile if the model has fewer words."""
    from transformers import CLIPTokenizer

    words, has = read_json(folder / VOCABULARY), model.config.text_config.vocab_size
    if not isinstance(words, dict) or max(words.values(), default=has) >= has:
        raise DamagedFile(f"{folder / VOCABULARY} is no vocabulary of at most {has} words; fetch it again")
    lines = (folder / MERGES).read_text(encoding="utf-8").splitlines()
    pairs = [tuple(line.split()) for line in lines if line and not line.startswith("#version")]
    return CLIPTokenizer(vocab=words, merges=pairs)
