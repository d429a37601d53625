"""What `morse info` prints about a model."""

from __future__ import annotations

from typing import Any

from morse.dot.sizes import FLOAT32, Sizes, sampling_bytes, sizes_of
from morse.experiments.cards import Card
from morse.experiments.shapes import image_shape

IMAGES = 20
MEMORY = {
    f"for {IMAGES} images by Dash alone": {"with_dot": False},
    "with Dot": {},
    "with LoRA not merged": {"merged": False},
}
"""What is sampled in how much memory, in words -> arguments of
:func:`morse.dot.sizes.sampling_bytes`."""


def model_info(name: str, card: Card) -> dict[str, Any]:
    """Sizes, N by FLOPs, licence, files and recipe of a model, in words: heading -> value.

    Args:
        card: from :func:`morse.experiments.cards.read_card`.
    """
    sizes = sizes_of(card)
    trained = card["dot"].get("trained", {})
    return {
        "model": f"{name} ({card['family']}, {card['scale']} scale)",
        "tasks": ", ".join(card["tasks"]),
        "images": " x ".join(map(str, image_shape(card))),
        "schedule": ", ".join(f"{key} {value}" for key, value in card["schedule"].items()),
        "Dash": f"{sizes.dash_parameters:,} parameters, {sizes.dash.total / 1e9:.3g} GFLOPs an image",
        "Dot": f"{sizes.dot_own:,} parameters of its own, {sizes.dot.total / 1e9:.3g} GFLOPs an image",
        "N by FLOPs": f"{sizes.ratio:.2f}; {sizes.ratio_without_attention:.2f} if attention took no time; "
        f"{sizes.ratio_unmerged:.2f} with LoRA not merged",
        "memory": ", ".join(f"{_gigabytes(card, **how)} {words}" for words, how in MEMORY.items()),
        **_beside(sizes),
        "N of plans": f"{card['dot']['ratio']:g}",
        "licence": card.get("licence", "see the model's card"),
        "weights of Dash": card["dash"]["file"],
        "weights of Dot": card["dot"].get("file", "none: trained in the run"),
        "training of Dot": ", ".join(f"{key} {value}" for key, value in trained.items()) or "not recorded",
        "recipe": f"config/recipes/{card['scale']}.yaml: {_steps(card)}, LoRA rank {card['dot']['rank']}",
    }


def _beside(sizes: Sizes) -> dict[str, str]:
    """What a latent or text model has beside its U-Net: heading -> value."""
    parts = {
        "autoencoder": (sizes.autoencoder_parameters, f"{sizes.decode / 1e9:.3g} GFLOPs an image, held by sampling"),
        "text encoders": (sizes.text_parameters, f"{sizes.encode / 1e9:.3g} GFLOPs a prompt, not held by sampling"),
    }
    return {
        part: f"{parameters:,} parameters, {FLOAT32 * parameters / 2**30:.2f} GiB, {words}"
        for part, (parameters, words) in parts.items()
        if parameters
    }


def _gigabytes(card: Card, **how: Any) -> str:
    return f"{sampling_bytes(card, IMAGES, **how) / 2**30:.2f} GiB"


def _steps(card: Card) -> str:
    steps = {"Dash": card.get("training", {}), "Dot": card["dot"].get("training", {})}
    return ", ".join(f"{name} {recipe['train']['steps']} steps" for name, recipe in steps.items() if recipe)
