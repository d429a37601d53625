"""CLIP score: how well images show what their prompts say.

Hessel et al. 2021 (arXiv 2104.08718) take max(cos, 0) of an image and its text in CLIP's space.
Here it is 100 times that, as torchmetrics and papers on diffusion have it, not 2.5 times.
(torchmetrics clamps the mean, not each image. The two are equal where no cosine is below zero.)
Higher is better. It is no distance, and needs no reference.
"""

from __future__ import annotations

import numpy as np

from morse.quality.estimates import Jackknife, jackknife_error

SCALE = 100.0


def scores(images: np.ndarray, prompts: np.ndarray) -> np.ndarray:
    """The score of each image: (n, D) and (p, D) -> (n,) in 0..100.

    Image i has the prompt i modulo p.

    Raises:
        ValueError: one line, for shapes that do not fit, or features that are not finite or zero.
    """
    x, text = np.asarray(images, np.float64), np.asarray(prompts, np.float64)
    if x.ndim != 2 or text.ndim != 2 or x.shape[1:] != text.shape[1:] or not len(x) or not len(text):
        raise ValueError(
            f"features of images and prompts are (n, D) and (p, D) with one D, not {x.shape}, {text.shape}"
        )
    x, text = _of_length_one(x, "image"), _of_length_one(text, "prompt")
    return np.maximum(SCALE * np.einsum("nd,nd->n", x, text[np.arange(len(x)) % len(text)]), 0.0)


def _of_length_one(values: np.ndarray, name: str) -> np.ndarray:
    length = np.linalg.norm(values, axis=1)
    if not (fine := np.isfinite(length) & (length > 0)).all():
        raise ValueError(f"the features of {name} {int(np.argmin(fine))} are zero or not finite; make them again")
    return values / length[:, None]


def clip_score(images: np.ndarray, prompts: np.ndarray, groups: int) -> Jackknife:
    """The mean of :func:`scores`, with the error of a jackknife.

    Image i is in group i modulo ``groups``.

    Args:
        images: (n, D), in the order of a run.
        prompts: (p, D) of the task.

    Raises:
        ValueError: one line, as :func:`scores`, or for fewer images than groups or than two groups.
    """
    found = scores(images, prompts)
    if not 2 <= groups <= len(found):
        raise ValueError(f"{len(found)} images and {groups} groups; the jackknife needs 2 groups or more, none empty")
    group = np.arange(len(found)) % groups
    sums, counts = np.bincount(group, found), np.bincount(group)
    without = (found.sum() - sums) / (len(found) - counts)
    return Jackknife(float(found.mean()), jackknife_error(without), tuple(without.tolist()))
