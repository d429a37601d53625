"""Seeded generators: one for each thing that is drawn, so that the order of work has no effect."""

from __future__ import annotations

import numpy as np
import torch


def generator(*key: int, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator seeded by the whole numbers of ``key``, for example (run seed, image index).

    Different keys of the same length give independent streams: NumPy's SeedSequence hashes them. A
    key with zeros added at its end is the same key.
    """
    seed = int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0])
    return torch.Generator(device).manual_seed(seed)
