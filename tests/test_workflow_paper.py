"""The paper's path, small: published files from a server on the loopback address, in their own
formats, through training, sampling, Inception, tables and figures."""

import io
import tarfile

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from servers import Server, serving
from test_dash_converters import as_ddim
from test_quality_extractors_inception import StandIn
from test_workflow_run import ROOT, planned, snakemake

from morse.dash.loading import build_dash
from morse.data.archive import read_split
from morse.data.cifar10 import BATCHES
from morse.experiments.cards import read_card, resource
from morse.files import sha256

PAPER = [ROOT / "config" / "config.yaml", ROOT / "config" / "paper.yaml"]
MODEL = {
    "unet": {"block_out_channels": [32, 64, 64, 64], "layers_per_block": 1, "dropout": 0.0},
    "dot": {
        "channels": [8, 16],
        "rank": 4,
        "training": {
            "chain": {"chains": 4, "points": 4, "steps": 4},
            "train": {"steps": 20, "warmup": 2, "precision": "float32"},
        },
    },
}
EACH = 166  # of six batches
IMAGES = {"train": 5 * EACH, "test": EACH}
EXPERIMENT = {
    "models": ["cifar10-ddpm"],
    "tasks": ["cifar10"],
    "samplers": ["ddim"],
    "methods": ["baseline", "morse"],
    "budgets": [3, 6],
    "seeds": [0],
}


def original_weights(folder):
    """Random weights as ermongroup/ddim's file has them, and their bytes."""
    torch.manual_seed(0)
    dash = build_dash(read_card("model", "cifar10-ddpm", MODEL))
    with torch.no_grad():
        dash.network.conv_out.weight.normal_(std=0.02)
    torch.save(as_ddim(dash.network.state_dict(), 4), folder / "model.ckpt")
    return (folder / "model.ckpt").read_bytes()


def cifar10_release():
    """Clothes, grey in three channels, as CIFAR-10's binary release has images."""
    images = read_split(resource("resources/data/fashion-mnist.npz"), "train", 32).images[:: 60_000 // (6 * EACH)]
    rows, content = np.repeat(images, 3, axis=1).reshape(len(images), -1), io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as tar:
        for index, name in enumerate([*BATCHES["train"], *BATCHES["test"]]):
            records = b"".join(bytes([7]) + row.tobytes() for row in rows[index * EACH : (index + 1) * EACH])
            info = tarfile.TarInfo(f"cifar-10-batches-bin/{name}.bin")
            info.size = len(records)
            tar.addfile(info, io.BytesIO(records))
    return content.getvalue()


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A server with all files, and the configuration that names it."""
    folder = tmp_path_factory.mktemp("paper")
    torch.manual_seed(0)
    with pytest.warns(Warning):
        torch.jit.script(StandIn().eval()).save(str(folder / "inception.pt"))
    with serving(Server()) as server:
        server.contents = {
            "/model": original_weights(folder),
            "/cifar": cifar10_release(),
            "/inception": (folder / "inception.pt").read_bytes(),
        }
        archive = {"file": "cifar-10-binary.tar.gz", "url": f"{server.url}/cifar"}
        weights = {"file": "inception-2015-12-05.pt", "url": f"{server.url}/inception"}
        changes = {
            "experiments": [EXPERIMENT],
            "images": 40,
            "shards": 2,
            "batch_size": 20,
            "grid_images": 4,
            "latency": {"batch_sizes": [], "repetitions": 2},
            "explained": {"draws": 1},
            "timing": {"rounds": 0},  # the smoke run's
            "sensitivity": {"budgets": []},
            "quality": {"groups": 4, "metrics": ["kid"]},
            "overrides": {
                "models": {
                    "cifar10-ddpm": MODEL
                    | {"dash": {"source": [{"file": "model-790000.ckpt", "url": f"{server.url}/model"}]}}
                },
                "tasks": {"cifar10": {"data": {"images": IMAGES, "source": [archive]}}},
                "extractors": {
                    "inception": {"weights": {"sha256": sha256(folder / "inception.pt"), "source": [weights]}}
                },
            },
        }
        config = folder / "small.yaml"
        config.write_text(yaml.safe_dump(changes), encoding="utf-8")
        yield server, folder, [*PAPER, config]


def test_a_dry_run_of_the_whole_matrix_says_what_is_missing_and_how_to_get_it(tmp_path):
    made = snakemake(tmp_path, "-n", "--quiet", "all", configs=PAPER)
    assert made.returncode == 0, made.stderr[-3000:]
    (line,) = (line for line in made.stderr.splitlines() if "others publish are missing" in line)
    assert "weights/originals/cifar10-ddpm/model-790000.ckpt" in line and "cifar-10-binary.tar.gz" in line
    names = line.partition("run `morse fetch ")[2].rstrip("`").split()
    models = {"cifar10-ddpm", "cifar10-vp", "cifar10-vp-deep", "imagenet64-iddpm", "imagenet64-adm", "celeba64-ddim"}
    tasks = {"cifar10", "imagenet64", "celeba64", "celebahq256", "church256"}
    models |= {"celebahq256-ddpm", "celebahq256-ldm", "church256-ddpm", "coco-sd14", "coco-lcm-sdxl"}
    tasks |= {"coco256", "laion512", "laion1024"}
    assert {*names} == {*models, *tasks, "inception", "clip-vit-l14"}


def test_a_run_without_the_files_stops_before_it_starts(tmp_path):
    made = snakemake(tmp_path, "all", configs=PAPER)
    assert made.returncode == 1
    assert "files that others publish are missing" in made.stderr and "run `morse fetch" in made.stderr
    assert "Traceback" not in made.stderr


@pytest.mark.slow
def test_the_paper_s_path_from_published_files_to_figures(published):
    server, folder, configs = published
    fetched = snakemake(folder, "published", configs=configs)
    assert fetched.returncode == 0, fetched.stderr[-3000:]
    assert sorted(path for path, _ in server.requests) == ["/cifar", "/inception", "/model"]
    jobs = planned(folder, "all", configs=configs)
    assert jobs["convert_weights"] == jobs["prepare_data"] == jobs["train_dot"] == 1 and "fetch_source" not in jobs
    made = snakemake(folder, "all", configs=configs)
    assert made.returncode == 0, made.stderr[-3000:]
    assert len(server.requests) == 3  # no run uses the network
    results = folder / "results" / "paper"
    runs = pd.read_csv(results / "tables" / "runs.csv")
    assert len(runs) == 4 and (runs["scale"] == "paper").all() and (runs["metric"] == "FID").all()
    assert np.isfinite(runs["quality"]).all() and (runs["quality_se"] > 0).all()
    speedups = pd.read_csv(results / "tables" / "paper_speedups.csv")
    states = speedups.groupby(["model", "sampler"])["state"].agg(set)
    assert states["cifar10-ddpm", "ddim"] == {"run"} and states["cifar10-ddpm", "ddpm"] == {"not run"}
    for figure in ("paper/cifar10-samplers-paper.png", "paper/other-tasks-paper.png", "curves-lsd.png"):
        assert (results / "figures" / figure).stat().st_size > 10_000
    assert (results / "notebooks" / "paper_figures.ipynb").is_file()
    again = planned(folder, "all", configs=configs)
    assert again == {}, again
