"""LoRA on the layers that Dot shares with Dash: attached for training, merged for inference."""

from __future__ import annotations

import copy
from collections.abc import Mapping

from torch import Tensor, nn

from morse.dot.network import Dot
from morse.dot.trunk import SHARED_BLOCKS

SHARED_BESIDE = ("time_embedding.of_t", "class_embedding", "add_embedding", "conv_norm_out")
"""What else Dot shares with Dash, without LoRA. It is frozen too."""


def attach_lora(dot: Dot, rank: int) -> None:
    """Adds LoRA of ``rank`` (with peft) to every convolution and linear layer of the shared blocks,
    in place."""
    # Imported here: inference needs no peft, which takes seconds to load.
    from peft import LoraConfig, inject_adapter_in_model

    targets = [
        name
        for name, layer in dot.trunk.named_modules()
        if name.split(".")[0] in SHARED_BLOCKS and isinstance(layer, nn.Conv2d | nn.Linear)
    ]
    inject_adapter_in_model(LoraConfig(r=rank, lora_alpha=rank, target_modules=targets), dot.trunk)
    for name, parameter in dot.trunk.named_parameters():  # peft freezes all but its adapters
        if not name.startswith(SHARED_BLOCKS) or "lora_" in name:
            parameter.requires_grad_(not name.startswith(SHARED_BESIDE))


def merge_lora(dot: Dot) -> Dot:
    """A copy of Dot for inference, with LoRA added into weights of its own. No adapter is left, and
    Dash is unchanged."""
    from peft.tuners.lora import LoraLayer

    merged = copy.deepcopy(dot)
    for name, layer in list(merged.trunk.named_modules()):
        if isinstance(layer, LoraLayer):
            layer.merge()
            parent, _, child = name.rpartition(".")
            setattr(merged.trunk.get_submodule(parent), child, layer.get_base_layer())
    return merged.requires_grad_(False).eval()


def inference_dot(dot: Dot, state: Mapping[str, Tensor]) -> Dot:
    """A new Dot without LoRA, given the state of :func:`merge_lora`'s copy. It needs no peft, and
    shares no weights with Dash.

    Raises:
        RuntimeError: if the state is of another network.
    """
    dot.trunk = copy.deepcopy(dot.trunk)
    dot.load_state_dict(state)
    return dot.requires_grad_(False).eval()


def own_state(dot: Dot) -> dict[str, Tensor]:
    """The trained tensors and the residual's scale: all that a trained file of Dot holds."""
    state = {name: p.detach() for name, p in dot.named_parameters() if p.requires_grad}
    return state | {f"scale.{name}": value for name, value in dot.scale.named_buffers()}
