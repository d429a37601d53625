"""Jobs of a task with prompts, by their scripts: features of prompts, and the score of a run."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from clips import save_clip

from morse.files import read_json
from morse.quality.clip_score import clip_score
from morse.quality.extractors import load_extractor, text_features
from morse.quality.features import Features
from morse.quality.statistics import Statistics

SCRIPTS = Path(__file__).parents[1] / "workflow" / "scripts"
PROMPTS = ["a cat", "Hündchen 🐕", "a dog and a cat " * 9]
GROUPS = 4
BEGIN = """
import json, runpy, sys
from types import SimpleNamespace

parts = json.loads(sys.argv[2])
for name in ("input", "output", "params", "wildcards"):
    parts[name] = SimpleNamespace(**parts[name])
runpy.run_path(sys.argv[1], init_globals={"snakemake": SimpleNamespace(**parts)})
"""


def run(script, folder, **parts):
    """A script as a job runs it. Returns its exit code and the last line of its errors."""
    job = {"rule": script, "log": [str(folder / "log")], "threads": 1, "wildcards": {"extractor": "tiny"}} | parts
    done = subprocess.run(
        [sys.executable, "-c", BEGIN, str(SCRIPTS / f"{script}.py"), json.dumps(job)],
        cwd=SCRIPTS,
        capture_output=True,
        encoding="utf-8",
    )
    return done.returncode, done.stderr.strip().rpartition("\n")[2]


@pytest.fixture
def measured(tmp_path):
    """Features of a run in two shards and of a reference. Returns the card, the images, and a
    function that runs the job of metrics."""
    _, card = save_clip(tmp_path / "clip")
    extractor = load_extractor(card)
    images = np.random.default_rng(0).integers(0, 256, (20, 3, 32, 32), np.uint8)
    values = extractor(images).astype(np.float32)
    for number, first in enumerate((0, 9)):
        part = values[first : 9 if first == 0 else None]
        Features(extractor.identity, "run", first, part).save(tmp_path / f"shard={number}.npz")
    other = extractor(images[::-1] // 2).astype(np.float32)
    Features(extractor.identity, "shapes/test", 0, other).save(tmp_path / "reference.npz")
    sums = Statistics.empty(extractor.identity, "shapes/test", (3, 32, 32), extractor.dim, groups=1)
    sums.add(other, 0)
    sums.save(tmp_path / "statistics.npz")

    def metrics(names, prompts, task):
        return run(
            "metrics",
            tmp_path,
            input={
                "features": [str(tmp_path / f"shard={number}.npz") for number in (0, 1)],
                "reference": str(tmp_path / "statistics.npz"),
                "reference_features": str(tmp_path / "reference.npz"),
                "prompts": prompts,
            },
            output={"metrics": str(tmp_path / "metrics.json")},
            params={"names": names, "caption": "Fréchet distance (tiny CLIP)", "groups": GROUPS, "task": task},
        )

    return card, images, metrics


def test_a_task_without_prompts_is_measured_as_before(measured, tmp_path):
    _, _, metrics = measured
    assert metrics(["frechet", "kid"], [], {}) == (0, "")
    assert set(read_json(tmp_path / "metrics.json")["metrics"]) == {"frechet", "kid"}


def test_the_score_of_a_run_is_by_the_features_of_its_task_s_prompts(measured, tmp_path):
    pytest.importorskip("morse.data.prompts")
    card, images, metrics = measured
    file, features = tmp_path / "prompts.txt", str(tmp_path / "prompts.npz")
    file.write_text("\n".join(PROMPTS), encoding="utf-8")
    task = {"data": {"file": "data/none.json", "size": 32}, "prompts": {"file": str(file)}}
    params = {"task": task, "extractor": card, "device": "cpu"}
    output = {"features": features}
    code, said = run("prompt_features", tmp_path, input={"prompts": str(file)}, output=output, params=params)
    assert code == 0, said
    assert metrics(["frechet", "clip_score"], features, task)[0] == 0
    found = read_json(tmp_path / "metrics.json")["metrics"]
    expected = clip_score(
        load_extractor(card)(images), text_features(card, [one.strip() for one in PROMPTS]).values, GROUPS
    )
    assert set(found) == {"frechet", "clip_score"}
    assert found["clip_score"]["value"] == pytest.approx(expected.value, rel=1e-5)
    assert found["clip_score"]["standard_error"] == pytest.approx(expected.standard_error, rel=1e-3)
    with np.load(features) as written:
        assert written["cut"] == 1 and written["values"].shape == (3, 12)

    file.write_text("another list", encoding="utf-8")
    code, said = metrics(["clip_score"], features, task)
    assert code == 1 and said.startswith("error in metrics: ") and "and the task now has" in said and "rm " in said
