"""A new sampler, metric, extractor and model are run by the workflow.

Each is added in its registry's file and its card.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

ROOT = Path(__file__).parents[1]

SAMPLER = '''

@dataclass(frozen=True)
class Halved(DDIM):
    """DDIM under another name."""
'''
EXTRACTOR = '''"""The mean brightness of 16 tiles of an image."""

from morse.data.pixels import UINT8_RULE
from morse.quality.extractors.base import Extractor


def tiles(card, device="cpu"):
    def embed(images):
        return images.float().unfold(2, 8, 8).unfold(3, 8, 8).mean((1, 4, 5)).flatten(1)

    return Extractor("tiles", 16, f"tiles/none/{UINT8_RULE}", embed, device)
'''
METRIC = '''    "shift": Metric(
        caption="shift of the mean",
        columns=("shift",),
        errors=(),
        function=lambda x, y, sums, groups: {"shift": float(abs(x.values.mean(0) - sums.mean).sum())},
    ),
}
"""Name in the configuration -> the metric."""
'''
EXPERIMENT = {
    "models": ["fresh"],
    "tasks": ["fashion-mnist"],
    "samplers": ["halved"],
    "methods": ["baseline", "morse"],
    "budgets": [3],
    "seeds": [0],
}
CHANGES = {
    "experiments": [EXPERIMENT],
    "morse": {"policy": "paper"},
    "latency": {"batch_sizes": []},
    "quality": {"metrics": ["kid", "shift"]},
    "overrides": {"tasks": {"fashion-mnist": {"extractors": ["fashion-classifier", "tiles"]}}},
}


@pytest.fixture(scope="module")
def extended(tmp_path_factory):
    """A copy of what git tracks, with the four new things and a run of them."""
    copy = tmp_path_factory.mktemp("extended") / "morse"
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, encoding="utf-8", check=True
    ).stdout
    for name in filter(None, tracked.split("\0")):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, copy / name)

    def change(name, old, new):
        path = copy / name
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{name} has {old!r} {text.count(old)} times"
        path.write_text(text.replace(old, new), encoding="utf-8")

    with open(copy / "morse/samplers/ddim.py", "a", encoding="utf-8") as file:
        file.write(SAMPLER)
    change(
        "morse/samplers/__init__.py",
        '        "ddim": ',
        '        "halved": "morse.samplers.ddim:Halved",\n        "ddim": ',
    )
    (copy / "config/samplers/halved.yaml").write_text(
        "# A new sampler.\nkind: halved\noptions: {}\ntime: discrete\n", encoding="utf-8"
    )
    (copy / "morse/quality/extractors/tiles.py").write_text(EXTRACTOR, encoding="utf-8")
    registry = "morse/quality/extractors/__init__.py"
    change(
        registry,
        '        "inception": ',
        '        "tiles": "morse.quality.extractors.tiles:tiles",\n        "inception": ',
    )
    (copy / "config/extractors/tiles.yaml").write_text(
        "# Tiles.\nkind: tiles\ncaption: Fréchet distance (tiles)\ndimension: 16\n", encoding="utf-8"
    )
    change("morse/quality/metrics.py", '}\n"""Name in the configuration -> the metric."""\n', METRIC)
    card = yaml.safe_load((copy / "config/models/cifar10-ddpm-mini.yaml").read_text(encoding="utf-8"))
    card["dot"] = {"training": {"chain": {"chains": 2, "points": 4, "steps": 3}, "train": {"steps": 2}}}
    (copy / "config/models/fresh.yaml").write_text(
        "# A new model, whose Dot is trained in the run.\n" + yaml.safe_dump(card), encoding="utf-8"
    )
    (copy / "changes.yaml").write_text(yaml.safe_dump(CHANGES), encoding="utf-8")
    run = ["all", "--configfile", "config/config.yaml", "config/smoke.yaml", "changes.yaml"]
    environment = os.environ | {"PYTHONPATH": str(copy)}
    command = [sys.executable, "-m", "snakemake", "--cores", "2", *run]
    done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, encoding="utf-8", timeout=900)
    assert done.returncode == 0, done.stderr[-3000:]
    return copy


@pytest.mark.slow
def test_the_tables_have_all_four(extended):
    tables = extended / "results" / "smoke" / "tables"
    runs = pd.read_csv(tables / "runs.csv")
    assert set(runs["model"]) == {"fresh"} and set(runs["sampler"]) == {"halved"} and len(runs) == 2
    assert (runs["shift"] > 0).all() and runs["kid"].notna().all()
    assert (
        (runs["frechet_tiles"] > 0).all() and (runs["frechet_tiles_se"] > 0).all() and (runs["shift_tiles"] > 0).all()
    )
    by_metric = pd.read_csv(tables / "speedup_by_metric.csv")
    assert {"Fréchet distance (small classifier)", "Fréchet distance (tiles)"} <= set(by_metric["metric"])
    costs = pd.read_csv(tables / "costs.csv")
    assert (costs["training_seconds"] > 0).all()


@pytest.mark.slow
def test_the_new_model_s_training_says_what_it_used(extended):
    training = json.loads((extended / "results/smoke/dot/fresh.json").read_text(encoding="utf-8"))
    assert training["steps"] == 2 and training["precision"] in ("float32", "bfloat16")
