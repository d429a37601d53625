"""Reference statistics that others publish: a mean and a covariance, as pytorch-fid writes them.

The files of pytorch-fid, clean-fid, EDM and DPM-Solver are .npz with ``mu`` (D,) and ``sigma``
(D, D). They do not say of how many images they are, so a task's card says it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from morse.experiments.cards import resource
from morse.files import open_npz
from morse.quality.features import PUBLISHED
from morse.quality.statistics import Statistics

if TYPE_CHECKING:
    from morse.quality.extractors.base import Extractor


def read_published(card: Mapping[str, Any], extractor: Extractor, image_shape: tuple[int, int, int]) -> Statistics:
    r"""Published statistics as the reference of a Fréchet distance.

    .. math:: s = n \mu, \qquad S = (n - 1) \Sigma + n \mu \mu^\top,

    so that :class:`Statistics` gives the same mean and covariance back. Its ``data`` is
    ``published/NAME/SHA-256``.

    Args:
        card: an entry of ``reference: published`` of a task's card: ``file``, ``sha256``, ``name``
            and ``images``, their number n.
        extractor: the one that the card says made them.
        image_shape: (C, H, W) of the task's images.

    Raises:
        DamagedFile: one line, for a file that is missing, altered or not of such statistics.
    """
    path, dim, n = resource(card["file"]), extractor.dim, int(card["images"])
    remedy = "fetch it again, or name another file or extractor"
    with open_npz(path, "published statistics", remedy, card["sha256"]) as file:
        if missing := [name for name in ("mu", "sigma") if name not in file.files]:
            raise ValueError(f"it has no {missing[0]}, but {', '.join(file.files) or 'nothing'}")
        mean, covariance = file["mu"], file["sigma"]
        if fault := _fault(mean, covariance, dim):
            raise ValueError(fault)
    mean, covariance = mean.astype(np.float64), covariance.astype(np.float64)
    total, outer = n * mean, (n - 1) * (covariance + covariance.T) / 2.0 + n * np.outer(mean, mean)
    identity = f"{PUBLISHED}/{card['name']}/{card['sha256'].lower()}"
    return Statistics(extractor.identity, identity, tuple(image_shape), np.array([n]), total[None], outer[None])


def _fault(mean: np.ndarray, covariance: np.ndarray, dim: int) -> str:
    """What is wrong with the two, in words; empty if nothing is."""
    for name, values, shape in (("mu", mean, (dim,)), ("sigma", covariance, (dim, dim))):
        if values.dtype.kind != "f" or values.shape != shape:
            return f"{name} is {values.dtype} {values.shape}, not floats {shape}"
        if not np.isfinite(values).all():
            return f"{name} is not finite"
    if np.abs(covariance - covariance.T).max() > 1e-6 * np.abs(covariance).max():  # float32 keeps seven digits
        return "sigma is not symmetric"
    return "sigma has a negative variance" if np.diag(covariance).min() < 0 else ""
