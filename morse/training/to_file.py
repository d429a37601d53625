"""One training, from a recipe to a file of weights: the steps that all trainings share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from morse.checkpoints import write_state
from morse.experiments.cards import MEANS, without
from morse.files import sha256
from morse.training.distributed import agreed, rank
from morse.training.loop import LossFunction, TrainSettings, train

State = Mapping[str, Tensor]


def train_to_file(
    make: Callable[[], tuple[nn.Module, LossFunction]],
    recipe: Mapping[str, Any],
    output: Path,
    progress: str,
    made_of: Mapping[str, Any] | None = None,
    state: Callable[[nn.Module], State] = nn.Module.state_dict,
    **metadata: str,
) -> dict[str, Any]:
    """Trains a network and writes its weights. A killed training continues from its last resume
    point.

    Args:
        make: builds the network and its loss, with random weights from the recipe's seed.
        recipe: ``train`` holds the settings of :class:`morse.training.loop.TrainSettings`.
        output: the safetensors file. The resume point is beside it, with the suffix .resume.
        progress: caption of the progress bar.
        made_of: what else decides the outcome, such as hashes of data. A killed training may go on
            by other means (:data:`morse.experiments.cards.MEANS`), for example if memory was short.
        state: network -> the tensors to write.
        metadata: of the file.

    Returns:
        What :func:`morse.training.loop.train` returns, the file's ``sha256`` and the ``recipe``. Of
        several processes the first alone writes the file.
    """
    settings = TrainSettings(**recipe["train"])
    torch.manual_seed(settings.seed)
    network, loss = make()
    made_of = {"recipe": without(recipe, MEANS)} | dict(made_of or {})
    record = train(network, loss, settings, output.with_suffix(".resume"), progress, made_of)
    if rank() == 0:
        write_state(state(network), output, **metadata)
    agreed(record["steps"], "done steps")  # so the file is there for all
    return record | {"sha256": sha256(output), "recipe": dict(recipe)}
