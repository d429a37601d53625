"""A tiny text-to-image model through the whole workflow: captions, guidance, CLIP score, tables."""

import io
import json

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from clips import save_clip
from PIL import Image
from test_quality_extractors_inception import StandIn
from test_workflow_run import ROOT, planned, snakemake
from text_models import text_card, text_dash, write_dash

from morse.data.coco import prepare as prepare_coco
from morse.data.pairs import prepare as prepare_pairs
from morse.files import sha256

PAPER = [ROOT / "config" / "config.yaml", ROOT / "config" / "paper.yaml"]
IMAGES, PROMPTS, SIZE = 40, 16, 16
EXPERIMENT = {
    "models": ["coco-sd14"],
    "tasks": ["coco256"],
    "samplers": ["ddim-sd"],
    "guidances": [1.5, 7.5],
    "methods": ["baseline", "morse"],
    "budgets": [3, 6],
    "seeds": [0],
}


def picture(seed):
    held = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (32, 36, 3), np.uint8)
    Image.fromarray(pixels).save(held, "PNG")
    return held.getvalue()


def coco(folder):
    """A small COCO of 16 x 16, prepared: the model's images of 32 x 32 are shrunk to it."""
    (folder / "originals" / "val2014").mkdir(parents=True)
    names = {number: f"COCO_val2014_{number:012}.jpg" for number in range(IMAGES)}
    for number, name in names.items():
        (folder / "originals" / "val2014" / name).write_bytes(picture(number))
    content = {
        "images": [{"id": number, "file_name": name} for number, name in names.items()],
        "annotations": [
            {
                "id": 2 * number + one,
                "image_id": number,
                "caption": f"a cat {number}, naïve 猫 🐈 " + "very " * 99 * one,
            }
            for number in names
            for one in range(2)
        ],
    }
    (folder / "originals" / "captions_val2014.json").write_text(json.dumps(content), encoding="utf-8")
    data = {"kind": "coco", "size": SIZE, "images": {"all": IMAGES, "prompts": PROMPTS}}
    prepare_coco(data, folder / "originals", folder / "coco" / "dataset.json")
    return data | {"file": str(folder / "coco" / "dataset.json")}


def pairs(folder):
    """Captioned images of 32 x 32 for Dot's training."""
    (folder / "pairs").mkdir()
    captions = {}
    for number in range(20):
        (folder / "pairs" / f"{number}.png").write_bytes(picture(100 + number))
        captions[f"{number}.png"] = f"a dog {number}"
    (folder / "captions.json").write_text(json.dumps(captions), encoding="utf-8")
    data = {"size": 32, "captions": str(folder / "captions.json")}
    prepare_pairs(data | {"folder": str(folder / "pairs")}, folder / "pairs", folder / "made" / "dataset.json")
    return {"size": 32, "file": str(folder / "made" / "dataset.json")}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with all files, and the configuration that names them."""
    folder = tmp_path_factory.mktemp("text")
    (folder / "coco").mkdir(), (folder / "made").mkdir()
    card = text_card()
    card = write_dash(card, text_dash(card), folder / "dash.safetensors")
    torch.manual_seed(0)
    with pytest.warns(Warning):
        torch.jit.script(StandIn().eval()).save(str(folder / "inception-2015-12-05.pt"))
    _, clip = save_clip(folder / "clip", seed=1)  # with which scores are above zero
    train = {"steps": 20, "warmup": 2, "precision": "float32", "checkpoint_every": 10}
    dot = {
        "channels": [8, 16],
        "rank": 2,
        "training": {"chain": {"chains": 4, "points": 3, "steps": 4}, "train": train},
    }
    inception = {"file": str(folder / "inception-2015-12-05.pt"), "sha256": sha256(folder / "inception-2015-12-05.pt")}
    changes = {
        "experiments": [EXPERIMENT],
        "images": 20,
        "shards": 1,
        "batch_size": 10,
        "grid_images": 4,
        "morse": {"policy": "paper"},
        "latency": {"batch_sizes": [], "repetitions": 2},
        "explained": {"draws": 1},
        "sensitivity": {"images": 2, "budgets": [3]},
        "quality": {"groups": 4, "metrics": ["clip_score"]},
        "overrides": {
            "models": {
                "coco-sd14": {key: card[key] for key in ("unet", "autoencoder", "text", "dash")}
                | {"dot": dot, "batch_size": 10}
            },
            "tasks": {"coco256": {"data": coco(folder)}, "laion512": {"data": pairs(folder)}},
            "extractors": {"inception": {"weights": inception}, "clip-vit-l14": clip},
        },
        "pathvars": {"results": "results/text"},
    }
    config = folder / "small.yaml"
    config.write_text(yaml.safe_dump(changes), encoding="utf-8")
    return folder, [*PAPER, config]


def test_runs_without_a_scale_are_refused_in_one_line(made, tmp_path):
    _, configs = made
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(yaml.safe_dump({"experiments": [EXPERIMENT | {"guidances": []}]}), encoding="utf-8")
    assert snakemake(tmp_path, "-n", configs=[*configs, wrong]).returncode == 1
    without = {key: value for key, value in EXPERIMENT.items() if key != "guidances"}
    wrong.write_text(yaml.safe_dump({"experiments": [without]}), encoding="utf-8")
    found = snakemake(tmp_path, "-n", configs=[*configs, wrong])
    said = found.stdout + found.stderr
    assert found.returncode == 1 and "model 'coco-sd14' is guided; give guidances" in said
    assert "Traceback" not in said


@pytest.mark.slow
def test_a_text_model_goes_through_the_whole_workflow(made):
    folder, configs = made
    jobs = planned(folder, "all", configs=configs)
    assert jobs["encode_prompts"] == jobs["train_dot"] == jobs["prompt_features"] == jobs["fid_clip"] == 1
    assert jobs["sample"] == 8
    run = snakemake(folder, "all", configs=configs)
    assert run.returncode == 0, run.stderr[-3000:]
    results = folder / "results" / "text"
    runs = pd.read_csv(results / "tables" / "runs.csv", dtype={"guidance": str})
    assert sorted({*runs["guidance"]}) == ["1.5", "7.5", "best"] and len(runs) == 12
    scores = runs["clip_score_clip-vit-l14"]
    assert scores.notna().all() and (scores > 0).all() and (runs["clip_score_clip-vit-l14_se"] > 0).all()
    best = pd.read_csv(results / "tables" / "best_guidance.csv", dtype={"guidance": str})
    for (method, budget), group in runs[runs["guidance"] != "best"].groupby(["method", "budget"]):
        chosen = best[(best["method"] == method) & (best["budget"] == budget)]
        assert chosen["quality"].item() == group["quality"].min()
    speedups = pd.read_csv(results / "tables" / "speedup.csv", dtype={"guidance": str})
    assert {"1.5", "7.5", "best"} == {*speedups["guidance"]}
    claims = pd.read_csv(results / "tables" / "claims.csv").set_index("id")
    assert "images is 20, the claim's is 30000" in str(claims.loc["sd14-fid-10-morse", "note"])
    for figure in ("fid_clip/coco-sd14/coco256/ddim-sd.png", "curves-lsd.png", "grids/coco-sd14/coco256/ddim-sd.png"):
        assert (results / "figures" / figure).stat().st_size > 10_000, figure
    said = (results / "logs" / "encode_prompts" / "coco-sd14" / "coco256.log").read_text(encoding="utf-8")
    assert "prompts are longer than 77 tokens, and lose their ends" in said
    assert planned(folder, "all", configs=configs) == {}
