"""Builds resources/data/fashion-mnist.npz from the original IDX files (Debian's package
dataset-fashion-mnist has them).

Usage: python -m morse.data.fashion_mnist /usr/share/datasets/fashion-mnist
    resources/data/fashion-mnist.npz
"""

import gzip
import sys
from pathlib import Path

import numpy as np

from morse.data.archive import write_dataset
from morse.files import sha256

FILES = {"train": "train", "test": "t10k"}


def read_idx(path: Path) -> np.ndarray:
    """The array of an IDX file of uint8. The file holds two zero bytes, type 8, the number of axes,
    their lengths, and the values."""
    content = gzip.decompress(path.read_bytes())
    if content[:3] != b"\x00\x00\x08":
        raise SystemExit(f"{path} is not an IDX file of uint8 values")
    axes = content[3]
    shape = np.frombuffer(content, ">u4", axes, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape)


def main(folder: Path, output: Path) -> None:
    """Writes the archive of the original files in ``folder``."""
    splits = {}
    for split, prefix in FILES.items():
        images = read_idx(folder / f"{prefix}-images-idx3-ubyte.gz")
        labels = read_idx(folder / f"{prefix}-labels-idx1-ubyte.gz")
        order = np.argsort(labels, kind="stable")  # similar images side by side compress better
        splits[split] = (images[order], labels[order])
    write_dataset(output, splits)
    print(f"{output}: {output.stat().st_size:,} bytes, sha256 {sha256(output)}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
