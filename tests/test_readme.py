"""The README is short, its example runs, and its numbers are those of results/reference."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
REFERENCE = ROOT / "results" / "reference"


def cells(heading):
    """The numbers of the README's table row that begins with this word."""
    row = next(line for line in README.splitlines() if line.startswith(f"| {heading} "))
    return [float(cell) for cell in row.split("|")[2:-1]]


def test_it_is_short():
    assert len(README.splitlines()) <= 90


def test_every_file_it_links_to_is_there():
    links = re.findall(r"\]\(((?!http)[^)#]+)\)", README)
    assert len(links) > 8
    assert [link for link in links if not (ROOT / link).exists()] == []


def written(value):
    """A number as the README writes it."""
    return float(f"{value:.3g}")


@pytest.mark.parametrize(("row", "table", "column"), [
    ("baseline", "speedup", "baseline_quality"), ("Morse", "speedup", "quality"),
])  # fmt: skip
def test_its_table_quotes_the_reference(row, table, column):
    rows = pd.read_csv(REFERENCE / f"{table}.csv").query("sampler == 'ddim'").sort_values("budget")
    assert cells("budget, LSD") == rows["budget"].tolist()
    assert cells(row) == [written(value) for value in rows[column]]


def test_its_speedups_and_their_mean_are_the_reference_s():
    rows = pd.read_csv(REFERENCE / "speedup.csv").query("sampler == 'ddim'").sort_values("budget")
    assert cells("speedup at equal quality") == [round(value, 2) for value in rows["speedup"]]
    summary = pd.read_csv(REFERENCE / "summary.csv").query("sampler == 'ddim' and band == 'before saturation'")
    assert f"geometric mean is {summary['geometric_mean'].item():.2f}x" in README
    ratio = pd.read_csv(REFERENCE / "latency.csv").query("model == 'cifar10-ddpm-mini' and counts")["ratio"].item()
    assert f"measured N = {ratio:.1f}" in README


def test_six_lines_make_images(tmp_path):
    """The README's example, run as it is written, in a folder of its own."""
    example, _ = re.findall(r"```python\n(.*?)```", README, flags=re.S)
    lines = [line for line in example.splitlines() if line.strip()]
    assert len(lines) == 6
    code = example + "\nimport numpy\nnumpy.save('images.npy', images)\n"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, encoding="utf-8", timeout=300
    )
    assert done.returncode == 0, done.stderr
    images = np.load(tmp_path / "images.npy")
    assert images.shape == (16, 1, 32, 32) and images.dtype == np.uint8
    assert 20 < images.mean() < 120 and images.std() > 40  # clothes on black, not noise and not a flat grey


def test_the_pipeline_s_lines_make_images_too(tmp_path):
    """The second example continues the first."""
    code = "\n".join(re.findall(r"```python\n(.*?)```", README, flags=re.S))
    code += "\nimport numpy\nnumpy.save('images.npy', numpy.stack([numpy.asarray(image) for image in images]))\n"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, encoding="utf-8", timeout=300
    )
    assert done.returncode == 0, done.stderr
    images = np.load(tmp_path / "images.npy")
    assert images.shape == (16, 32, 32) and 20 < images.mean() < 120 and images.std() > 40
