"""Features of a task's prompts by an extractor that reads text, as a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from morse.files import open_npz, write_npz
from morse.formats import require_number, require_text
from morse.registry import remove_and_run


@dataclass(frozen=True)
class PromptFeatures:
    """Features of a list of prompts. Image i of a run has the prompt i modulo their number.

    Attributes:
        extractor: identity as in :class:`morse.quality.features.Features`.
        prompts: the identity of exactly this list of prompts.
        cut: how many prompts were too long for the extractor and were cut.
        values: (n, D) float32.
    """

    extractor: str
    prompts: str
    cut: int
    values: np.ndarray

    def save(self, path: Path) -> None:
        """Writes an .npz file, whole or not at all.

        Raises:
            ValueError: one line, for values that are no finite (n, D) float32.
            UnwritableFile: as :func:`morse.files.write_atomically`.
        """
        values, name = self.values, f"{path}: features of prompts"
        if values.dtype != np.float32 or values.ndim != 2 or not values.size:
            raise ValueError(f"{name} must be float32 (n, D), not {values.dtype} {values.shape}; name a prompt or more")
        if not np.isfinite(values).all():
            bad = int(np.argmin(np.isfinite(values).all(1)))
            raise ValueError(f"{name}: those of prompt {bad} are not finite; check the extractor's weights")
        require_number(self.cut, f"{name}: cut", whole=True)
        for word in ("extractor", "prompts"):
            require_text(getattr(self, word), f"{name}: {word}")
        write_npz(path, extractor=self.extractor, prompts=self.prompts, cut=self.cut, values=values)

    @classmethod
    def load(cls, path: Path | str, prompts: str) -> PromptFeatures:
        """Reads the file of :meth:`save`.

        Args:
            prompts: the identity of the list that it must be of.

        Raises:
            DamagedFile: one line, if it is missing or unreadable.
            ValueError: one line with the command that helps, if it is of another list.
        """
        with open_npz(path, "file of features of prompts", "delete it and make it again with its rule") as file:
            values = file["values"]
            if values.ndim != 2:
                raise ValueError(f"an array of shape {values.shape}")
            found = cls(str(file["extractor"]), str(file["prompts"]), int(file["cut"]), values)
        if found.prompts != prompts:
            raise ValueError(
                f"{path} is of the prompts {found.prompts}, and the task now has {prompts}; "
                f"{remove_and_run('to make anew', Path(path))}"
            )
        return found
