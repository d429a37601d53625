"""Seeded generators: one for each thing that is drawn, so that nothing depends on the order of work."""

from __future__ import annotations

import numpy as np
import torch


def generator(*key: int, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator seeded by the whole numbers of ``key``, for example (run seed, image index).

    Keys of one length that differ give independent streams (NumPy's SeedSequence hashes them); a longer key that only adds
    zeros at the end is the same key.
    """
    seed = int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0])
    return torch.Generator(device).manual_seed(seed)
