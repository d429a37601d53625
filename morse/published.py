"""Published weights: their folder, their addresses, and the one step that fetches them.

Runs load these files and never download them.
"""

from __future__ import annotations

import os
import shutil
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from morse.files import WRITE_FAULTS, DamagedFile, hash_digits, sha256, write_atomically

VARIABLE = "MORSE_WEIGHTS"
DEFAULT_DIRECTORY = "weights"


@dataclass(frozen=True)
class Published:
    """A file that others publish, with its address and SHA-256."""

    file: str
    url: str
    sha256: str


_TORCHSCRIPT = Published(
    "inception-2015-12-05.pt",
    "https://nvlabs-fi-cdn.nvidia.com/stylegan2-ada-pytorch/pretrained/metrics/inception-2015-12-05.pt",
    "f58cb9b6ec323ed63459aa4fb441fe750cfe39fafad6da5cb504a16f19e958f4",
)
_PYTORCH = Published(
    "pt_inception-2015-12-05-6726825d.pth",
    "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth",
    "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
)
INCEPTION = {"inception": _TORCHSCRIPT, "inception-clean": _TORCHSCRIPT, "inception-legacy-pytorch": _PYTORCH}
"""Kind of extractor -> the weights that it loads. Names and addresses are those in clean-fid."""
PUBLISHED = {weights.file: weights for weights in INCEPTION.values()}


def directory() -> Path:
    """The folder of published weights.

    It is the environment variable :data:`VARIABLE`, or else ``weights`` in the working directory.
    """
    return Path(os.environ.get(VARIABLE) or DEFAULT_DIRECTORY)


def require_present(weights: Published) -> Path:
    """The path of published weights, if the file exists.

    :func:`require_published` also checks its hash.

    Raises:
        DamagedFile: one line that names the file, the folder and the remedy.
    """
    path = directory() / weights.file
    if not path.is_file():
        place = (
            f"{VARIABLE} is {directory()}"
            if os.environ.get(VARIABLE)
            else f"{VARIABLE} is not set, so {directory()}/ was searched"
        )
        raise DamagedFile(f"weights {weights.file} are missing ({place}); {_remedy(weights)}")
    return path


def _remedy(weights: Published) -> str:
    return f"run `snakemake --cores 1 published_weights`, or get {weights.url}"


def require_published(weights: Published, expected: str) -> Path:
    """The path of published weights, if the file has the right SHA-256.

    Args:
        expected: the SHA-256 that it must have, as a rule the published one.

    Raises:
        DamagedFile: one line that names the file, the folder and the remedy.
        ValueError: if ``expected`` is not 64 hexadecimal digits.
    """
    path = require_present(weights)
    if (found := sha256(path)) != hash_digits(expected, path):
        raise DamagedFile(
            f"weights {path} have sha256 {found}, expected {expected}; delete them and {_remedy(weights)}"
        )
    return path


def fetch(weights: Published, path: Path) -> None:
    """Downloads published weights to ``path``: whole and of the right SHA-256, or not at all.

    Raises:
        DamagedFile: one line, if the address cannot be read or gives other bytes.
        UnwritableFile: as :func:`morse.files.write_atomically`.
    """

    def download(temporary: Path) -> None:
        try:
            with urllib.request.urlopen(weights.url, timeout=60) as source, open(temporary, "wb") as target:
                size = int(source.headers.get("Content-Length") or 0) or None
                with tqdm.wrapattr(source, "read", total=size, desc=weights.file, mininterval=2) as counted:
                    shutil.copyfileobj(counted, target, 1 << 20)
        except OSError as error:  # URLError is one
            if error.errno in WRITE_FAULTS:
                raise
            raise DamagedFile(
                f"weights {weights.file} cannot be fetched ({error}); put {weights.url} at {path} by hand"
            ) from error
        if (found := sha256(temporary)) != weights.sha256:
            raise DamagedFile(f"{weights.url} gives sha256 {found}, not {weights.sha256}; nothing was written")

    write_atomically(download, path)
