"""Tiny text-to-image models with random weights: cards, files, pipelines.

Their tokenizer has a byte-level vocabulary of its own, so any text has tokens.
"""

from dataclasses import replace

import torch
from clips import byte_letters
from networks import shake

from morse.checkpoints import as_tensor, write_state
from morse.dash.base import TOKENIZER
from morse.dash.loading import build_dash
from morse.dash.text import END, START, text_encoders, tokenizer_text
from morse.files import sha256

TRAIN = {"steps": 2, "learning_rate": 0.001, "seed": 0, "precision": "float32", "checkpoint_every": 1}
SCHEDULE = {"name": "scaled-linear", "num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012}
UNET = {
    "sample_size": 16,
    "channels": 4,
    "block_out_channels": [8, 16],
    "layers_per_block": 1,
    "attention_levels": [0],
    "norm_num_groups": 4,
    "heads": [2, 2],
    "transformer_layers": [1, 1],
    "cross_attention_dim": 12,
    "guidance": "classifier-free",
}
XL = {
    "guidance": "embedded",
    "guidance_width": 16,
    "cross_attention_dim": 20,
    "linear_projection": True,
    "added": {"time_width": 4, "pooled": 6},
}
AUTOENCODER = {"block_out_channels": [8, 8], "layers_per_block": 1, "latent_channels": 4, "norm_num_groups": 4}


def tiny_tokenizer():
    """A vocabulary of all bytes, two merges, and the two marks; and the merges."""
    symbols = byte_letters()
    merges = [("c", "a"), ("ca", "t</w>")]
    words = [*symbols, *(f"{symbol}</w>" for symbol in symbols), *("".join(pair) for pair in merges), START, END]
    return {word: number for number, word in enumerate(words)}, merges


def encoder_settings(width, **changes):
    vocabulary, _ = tiny_tokenizer()
    plain = {"hidden_size": width, "intermediate_size": 16, "layers": 2, "heads": 2, "hidden_act": "quick_gelu"}
    return plain | {"vocab_size": len(vocabulary)} | changes


def text_card(unet=None, dot=None, xl=False):
    """A complete model card like Stable Diffusion's, or like LCM-SDXL's."""
    encoders = [encoder_settings(12), encoder_settings(8, projection=6, hidden_act="gelu")]
    text = {"encoders": encoders[: 1 + xl], "hidden": "penultimate" if xl else "last", "padding": [END, "!"][: 1 + xl]}
    chain = {"chains": 2, "points": 2, "guidance": [2.0, 10.0]}
    return {
        "family": "stable-diffusion",
        "scale": "mini",
        "tasks": ["coco"],
        "unet": UNET | (XL if xl else {}) | (unet or {}),
        "autoencoder": AUTOENCODER | {"scale": 0.13025 if xl else 0.18215},
        "text": text | ({"size": 32} if xl else {}),
        "schedule": SCHEDULE,
        "dash": {"file": "dash.safetensors", "sha256": "0" * 64},
        "dot": {
            "source": "train",
            "channels": [8, 16],
            "rank": 2,
            "preconditioned": True,
            "memory": 0,
            "ratio": 5.0,
            "training": {"data": "coco", "split": "train", "chain": chain, "train": TRAIN},
        }
        | (dot or {}),
    }


def text_dash(card, seed=0):
    """The card's Dash with random weights and its tokenizers."""
    torch.manual_seed(seed)
    dash = build_dash(card)
    shake(dash.network)
    made = tokenizer_text(*tiny_tokenizer())
    return replace(dash, encoders=text_encoders(card["text"], dash.encoders.models, [made] * len(dash.encoders.models)))


def write_dash(card, dash, path):
    """Writes the file of Dash, and puts its hash into a copy of the card."""
    made = tokenizer_text(*tiny_tokenizer())
    beside = {f"{TOKENIZER}{number}": as_tensor(made) for number in range(len(dash.encoders.models))}
    write_state(dash.state() | beside, path)
    return card | {"dash": {"file": str(path), "sha256": sha256(path)}}


def scheduler_of(kind, **changes):
    """A scheduler of diffusers on the tiny models' schedule, set as Stable Diffusion's is."""
    import diffusers

    own = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
    made = getattr(diffusers, kind)
    beside = {"clip_sample": False, "set_alpha_to_one": False, "steps_offset": 1, "timestep_spacing": "leading"}
    return made(**own, **{name: value for name, value in (beside | changes).items() if name in made().config})


def pipeline(card, dash, scheduler):
    """diffusers' pipeline of the same networks, with a scheduler."""
    from diffusers import LatentConsistencyModelPipeline, StableDiffusionPipeline, StableDiffusionXLPipeline

    dash.autoencoder.network.register_to_config(scaling_factor=card["autoencoder"]["scale"])
    both = {"vae": dash.autoencoder.network, "unet": dash.network, "scheduler": scheduler}
    both |= {"text_encoder": dash.encoders.models[0], "tokenizer": dash.encoders.tokenizers[0]}
    if len(dash.encoders.models) > 1:
        second = {"text_encoder_2": dash.encoders.models[1], "tokenizer_2": dash.encoders.tokenizers[1]}
        return StableDiffusionXLPipeline(**both, **second, add_watermarker=False)
    kind = LatentConsistencyModelPipeline if card["unet"]["guidance"] == "embedded" else StableDiffusionPipeline
    return kind(**both, safety_checker=None, feature_extractor=None, requires_safety_checker=False)
