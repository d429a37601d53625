r"""Streamed statistics of features: all that a Fréchet distance and its standard error need.

Image i of a run belongs to group g = i mod G. Each group keeps, in float64,

.. math::
    n_g, \qquad s_g = \sum_i x_i \in \mathbb{R}^D, \qquad
    S_g = \sum_i x_i x_i^\top \in \mathbb{R}^{D \times D}.

Batches and shards are merged by addition, in any order. A group is left out by subtraction (the
jackknife of :mod:`morse.quality.frechet`). The covariance is (S - s s^T / n) / (n - 1), as
numpy.cov's. Cancellation costs log10(mean^2 / variance) digits. For features of networks, with a
factor of 10^3, 13 of 16 remain.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from morse.files import open_npz, write_npz

GROUPS = 20


@dataclass
class Statistics:
    """Sums over the images of one run or one data set, in G groups.

    They take G D^2 8 bytes: 0.7 MB for D = 64 and G = 20, but 670 MB for Inception's D = 2048. For
    the latter, G should be 10 or less. A reference needs one group only, as its groups are never
    left out. If class labels are dealt to images in turn (image i has class i mod K), G and K must
    have no common divisor. Otherwise the groups have different classes.

    Attributes:
        extractor: the extractor's identity.
        data: what the images are: a data set's identity (data set, split, size), or the name of a
            run.
        image_shape: (C, H, W) of the images. Statistics that differ in extractor or image shape are
            never compared.
        n: (G,) numbers of images.
        sum: (G, D) sums of features.
        outer: (G, D, D) sums of outer products.
    """

    extractor: str
    data: str
    image_shape: tuple[int, int, int]
    n: np.ndarray
    sum: np.ndarray
    outer: np.ndarray

    @classmethod
    def empty(
        cls, extractor: str, data: str, image_shape: tuple[int, int, int], dim: int, groups: int = GROUPS
    ) -> Statistics:
        """Statistics without images yet, for ``dim`` features in ``groups`` groups."""
        sums = np.zeros(groups, np.int64), np.zeros((groups, dim)), np.zeros((groups, dim, dim))
        return cls(extractor, data, tuple(image_shape), *sums)

    def add(self, features: np.ndarray, first_index: int) -> None:
        """Adds the images ``first_index``, ``first_index`` + 1, ... of the run.

        Args:
            features: (B, D), for any B.

        Raises:
            ValueError: for another D, or features that are not finite.
        """
        x = np.asarray(features, np.float64)
        if x.shape[1:] != self.sum.shape[1:]:
            raise ValueError(f"features of shape {x.shape} do not fit statistics of {self.sum.shape[1]} features")
        if not np.isfinite(x).all():
            bad = first_index + int(np.argmin(np.isfinite(x).all(1)))
            raise ValueError(f"the features of image {bad} of {self.data} are not finite")
        groups = len(self.n)
        for offset in range(min(groups, len(x))):
            group, members = (first_index + offset) % groups, x[offset::groups]
            self.n[group] += len(members)
            self.sum[group] += members.sum(0)
            self.outer[group] += members.T @ members

    def __add__(self, other: Statistics) -> Statistics:
        """The statistics of both sets of images, which must be disjoint parts of the same run.

        Raises:
            ValueError: if they differ in extractor, data, image shape, or number of groups or
                features.
        """
        self.require_alike(other, "extractor", "data", "image_shape")
        if self.sum.shape != other.sum.shape:
            raise ValueError(
                f"statistics of (groups, features) {self.sum.shape} and {other.sum.shape} cannot be merged"
            )
        sums = self.n + other.n, self.sum + other.sum, self.outer + other.outer
        return Statistics(self.extractor, self.data, self.image_shape, *sums)

    def require_alike(self, other: Statistics, *names: str) -> None:
        """Raises ValueError, one line, if the two differ in one of the attributes ``names``."""
        for name in names:
            mine, theirs = getattr(self, name), getattr(other, name)
            if mine != theirs:
                raise ValueError(
                    f"statistics of {self.data} and of {other.data} differ in {name.replace('_', ' ')}: "
                    f"{mine}, {theirs}"
                )

    @property
    def count(self) -> int:
        """The number of images, over all groups."""
        return int(self.n.sum())

    @property
    def mean(self) -> np.ndarray:
        """(D,) mean over all groups. Raises ValueError for fewer than two images."""
        return self._moments(self.n.sum(), self.sum.sum(0), self.outer.sum(0))[0]

    @property
    def covariance(self) -> np.ndarray:
        """(D, D) unbiased covariance over all groups, as numpy.cov's.

        Raises ValueError for fewer than two images.
        """
        return self._moments(self.n.sum(), self.sum.sum(0), self.outer.sum(0))[1]

    def leave_out(self, group: int) -> tuple[np.ndarray, np.ndarray]:
        """(mean (D,), covariance (D, D)) over all groups but one.

        Raises ValueError if fewer than two images remain.
        """
        kept = np.arange(len(self.n)) != group
        return self._moments(
            self.n.sum(where=kept), self.sum.sum(0) - self.sum[group], self.outer.sum(0) - self.outer[group]
        )

    def _moments(self, n: np.integer, total: np.ndarray, outer: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if n < 2:
            raise ValueError(f"statistics of {self.data} have {n} images; a covariance needs two")
        mean = total / n
        return mean, (outer - np.outer(total, mean)) / (n - 1)

    def save(self, path: Path) -> None:
        """Writes an .npz file, whole or not at all; equal statistics give equal bytes.

        Raises:
            ValueError: one line that names the file and the attribute that it cannot hold.
            UnwritableFile: as :func:`morse.files.write_atomically`.
        """
        if fault := self._fault():
            raise ValueError(f"{path}: statistics of {self.data}: {fault}; compute them again")
        words = {"extractor": self.extractor, "data": self.data, "image_shape": self.image_shape}
        write_npz(path, **words, n=self.n, sum=self.sum, outer=self.outer)

    def _fault(self) -> str:
        """What is wrong with the attributes, in words; empty if nothing is."""
        for name, kind in (("n", np.int64), ("sum", np.float64), ("outer", np.float64)):
            values = getattr(self, name)
            if not isinstance(values, np.ndarray) or values.dtype != kind:
                return f"{name} is no array of {kind.__name__}"
            if not np.isfinite(values).all():
                return f"{name} is not finite"
        if self.n.min(initial=0) < 0 or self.n.ndim != 1 or not self.n.size:
            return "n must be numbers of images, one a group"
        if self.sum.shape[:1] != self.n.shape or (*self.sum.shape, self.sum.shape[-1]) != self.outer.shape:
            return f"n {self.n.shape}, sum {self.sum.shape} and outer {self.outer.shape} are of unlike shapes"
        if len(self.image_shape) != 3 or not all(isinstance(size, int) and size > 0 for size in self.image_shape):
            return f"image_shape must be three whole numbers, not {self.image_shape!r}"
        words = [name for name in ("extractor", "data") if not isinstance(getattr(self, name), str)]
        return f"{words[0]} is no text" if words else ""

    @classmethod
    def load(cls, path: Path | str, expected_sha256: str | None = None) -> Statistics:
        """Reads the file of :meth:`save`.

        Raises:
            DamagedFile: one line with the remedy, for a file that is missing, altered, unreadable
                or not of statistics.
        """
        with open_npz(path, "file of statistics", "delete it and make it again with its rule", expected_sha256) as file:
            words = str(file["extractor"]), str(file["data"]), tuple(file["image_shape"].tolist())
            found = cls(*words, file["n"], file["sum"], file["outer"])
            if fault := found._fault():
                raise ValueError(fault)
        return found
