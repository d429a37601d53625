"""The workflow as a user meets it: run, killed, resumed, misconfigured, each in its own folder."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from morse.files import sha256
from morse.quality.extractors.fashion_classifier import SmallClassifier
from morse.quality.statistics import Statistics

ROOT = Path(__file__).parents[1]
SMOKE = [ROOT / "config" / "config.yaml", ROOT / "config" / "smoke.yaml"]


def command(folder, *arguments, configs=SMOKE):
    workflow = ["-s", str(ROOT / "Snakefile"), "-d", str(folder), "--configfile", *map(str, configs)]
    return [
        sys.executable,
        "-m",
        "snakemake",
        "--cores",
        "2",
        "--workflow-profile",
        str(ROOT / "profiles" / "default"),
        *arguments,
        *workflow,
    ]


HARSH = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
"""A terminal whose encoding is ASCII."""


def snakemake(folder, *arguments, configs=SMOKE, **environment):
    return subprocess.run(
        command(folder, *arguments, configs=configs),
        env=os.environ | environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        timeout=1800,
        check=False,
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A whole smoke run, training included, in a folder and a locale that few authors have."""
    folder = tmp_path_factory.mktemp('smoke run\'s "é"')
    made = snakemake(folder, "all", "zoo", **HARSH)
    assert made.returncode == 0, made.stderr[-3000:]
    return folder


def planned(folder, *arguments, configs=SMOKE):
    """Rule -> the number of its jobs in a dry run."""
    made = snakemake(folder, "-n", *arguments, configs=configs)
    assert made.returncode == 0, made.stderr[-3000:]
    rows = (line.split() for line in (made.stdout + made.stderr).splitlines())
    return {row[0]: int(row[1]) for row in rows if len(row) == 2 and row[0].isidentifier() and row[1].isdigit()}


def config_file(folder, **changes):
    path = folder / "changes.yaml"
    path.write_text(yaml.safe_dump(changes), encoding="utf-8")
    return [*SMOKE, path]


@pytest.mark.slow
def test_smoke_run_makes_every_product(finished):
    results = finished / "results" / "smoke"
    runs = pd.read_csv(results / "tables" / "runs.csv")
    assert len(runs) == 6 and (runs["images"] == 24).all() and (runs["scale"] == "mini").all()
    assert (runs["lsd_nominal"] <= runs["budget"]).all()
    assert set(pd.read_csv(results / "tables" / "speedup.csv")["sampler"]) == {"ddim", "euler-maruyama"}
    for name in (
        "curves-lsd.png",
        "curves-wall.png",
        "speedup.png",
        "best.png",
        "explained/cifar10-ddpm-mini.png",
        "explained/cifar10-vp-mini.png",
        "sensitivity/cifar10-ddpm-mini/fashion-mnist/ddim.png",
        "sensitivity/cifar10-vp-mini/fashion-mnist/euler-maruyama.png",
        "paper/cifar10-samplers-mini.png",
        "paper/other-tasks-mini.png",
    ):
        assert (results / "figures" / name).stat().st_size > 10_000
    for kind in ("png", "svg", "pdf"):
        assert len(list((results / "figures" / "grids").rglob(f"*.{kind}"))) == 2
        assert (results / "figures" / f"speedup.{kind}").stat().st_size > 5_000
    timing = pd.read_csv(results / "tables" / "timing.csv")
    assert len(timing) == 6 and (timing["rounds"] == 2).all() and (timing["images"] == 6).all()
    assert (timing.query("method == 'baseline'")["ratio"] == 1.0).all()
    assert timing["ratio"].between(timing["ratio_low"], timing["ratio_high"]).all()
    joined = runs.merge(timing, on=["model", "sampler", "method", "budget"], suffixes=("", "_timed"))
    assert (joined["wall_lsd"] == joined["wall_lsd_timed"]).all() and len(joined) == 6
    of_baseline = joined["method"] == "baseline"
    assert joined["seconds_per_image"][of_baseline].to_numpy() == pytest.approx(
        (joined["seconds_timed"] / joined["images_timed"])[of_baseline].to_numpy()
    )
    headline = pd.read_csv(results / "tables" / "headline.csv")
    assert headline.groupby("model")["against"].apply(list).tolist() == 2 * [["best", "best", "own"]]
    latency = pd.read_csv(results / "tables" / "latency.csv")
    assert (
        len(latency) == 4
        and (latency["ratio_flops"] > 5).all()
        and set(latency["dot_own_parameters"]) == {1_150_785, 1_270_593}
    )
    costs = pd.read_csv(results / "tables" / "costs.csv").set_index("model")
    assert (costs["memory"] > 1e8).all() and (costs["training_seconds"] > 0).all()
    assert (
        costs.loc["cifar10-vp-mini", "training_seconds"] == 1860.0
    ).all()  # shipped, so its card's; the other was trained here
    assert len(pd.read_csv(results / "tables" / "jackknife.csv")) == 6 * 4
    calls = pd.read_csv(results / "tables" / "call_costs.csv").query("counts").set_index(["model", "call"])["lsd"]
    ratios = latency.query("counts").set_index("model")["ratio"]
    assert all(
        calls[model, "D"] == 1.0 and calls[model, "."] == pytest.approx(1.0 / ratios[model]) for model in ratios.index
    )
    for name in ("curves", "paper_figures"):
        assert "image/png" in (results / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8")
    averages = pd.read_csv(results / "tables" / "paper_speedups.csv")
    assert averages.query("scale == 'mini'").groupby("panel")["state"].first()["DDIM"] == "run"
    assert (averages.query("scale == 'paper'")["state"] == "not run").all()
    assert len(pd.read_csv(results / "tables" / "speedup_by_metric.csv")) >= 6
    assert runs["kid"].notna().all() and runs["coverage"].between(0, 1).all()
    assert "not run" in (results / "tables" / "claims.md").read_text(encoding="utf-8")
    assert r"\toprule" in (results / "tables" / "speedup.tex").read_text(encoding="utf-8")
    for name in ("cifar10-ddpm-mini/dash", "cifar10-ddpm-mini/dot", "extractor/fashion-classifier"):
        training = json.loads((results / "zoo" / f"{name}.json").read_text(encoding="utf-8"))
        assert training["steps"] == 2 and training["provenance"]["code"]
        assert training["precision"] in ("float32", "bfloat16")


@pytest.mark.slow
def test_the_report_holds_figures_and_tables(finished):
    made = snakemake(finished, "--report", "report.zip", **HARSH)
    assert made.returncode == 0, made.stderr[-3000:]
    with zipfile.ZipFile(finished / "report.zip") as archive:
        names = {Path(name).name for name in archive.namelist()}
    assert {
        "curves-lsd.png",
        "speedup.png",
        "speedup.html",
        "summary.html",
        "claims.html",
        "paper_speedups.html",
        "cifar10-samplers-mini.png",
    } <= names


@pytest.mark.slow
def test_temporary_samples_are_gone_and_nothing_is_planned_again(finished):
    assert not list((finished / "results" / "smoke" / "samples").rglob("*.npz"))
    assert planned(finished, "all", "zoo") == {}


@pytest.mark.slow
def test_a_budget_more_plans_only_its_own_runs(finished):
    experiment = yaml.safe_load(SMOKE[1].read_text(encoding="utf-8"))["experiments"][0]
    more = [
        experiment | {"budgets": [3, 6, 9]},
        *yaml.safe_load(SMOKE[1].read_text(encoding="utf-8"))["experiments"][1:],
    ]
    jobs = planned(finished, "all", configs=config_file(finished, experiments=more))
    assert (jobs["sample"], jobs["shard_features"], jobs["record"], jobs["timing"]) == (4, 4, 2, 1)
    assert "train_dot" not in jobs and "measure_latency" not in jobs


RECORD = (
    "records/model=cifar10-ddpm-mini/task=fashion-mnist/sampler=ddim/guidance=none/method=morse/budget=6/seed=0.json"
)


@pytest.mark.slow
def test_policy_auto_runs_the_plan_it_chose(finished):
    results = finished / "results" / "smoke"
    plan = json.loads(
        (results / "plans/method=morse/model=cifar10-ddpm-mini/sampler=ddim/guidance=none/budget=6.json").read_text(
            encoding="utf-8"
        )
    )
    calls = [(row["plan"].count("D"), row["plan"].count(".")) for row in plan["candidates"]]
    assert calls == [(6, 0), (5, 5), (5, 5), (3, 15), (3, 15)]
    assert plan["plan"] == min(plan["candidates"], key=lambda row: row["error"])["plan"]
    assert plan["seconds"] > 0 and plan["fine_run_seconds"] > 0
    assert json.loads((results / RECORD).read_text(encoding="utf-8"))["plan"] == plan["plan"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("morse", "calls"),
    [
        ({"policy": "paper", "paper": {"dot_share": 0.5}}, {"D": 3, ".": 15}),
        ({"policy": "endpoint", "endpoint": {"dot_share": 0.5, "lean": 0.8}}, {"D": 3, ".": 15}),
        ({"policy": "fixed", "fixed": {"dots": 2}}, {"D": 4, ".": 8}),
    ],
)
def test_other_policies_need_no_plan(finished, tmp_path, morse, calls):
    configs = config_file(
        tmp_path, morse=morse, overrides={"models": {"cifar10-ddpm-mini": {"dot": {"source": "shipped"}}}}
    )
    made = snakemake(tmp_path, f"results/smoke/{RECORD}", configs=configs)
    assert made.returncode == 0, made.stderr[-3000:]
    assert Counter(json.loads((tmp_path / "results/smoke" / RECORD).read_text(encoding="utf-8"))["plan"]) == calls
    assert not (tmp_path / "results/smoke/plans").exists()


@pytest.mark.slow
def test_a_change_of_dot_s_samples_no_baseline_again(finished):
    of_dot = {"models": {"cifar10-ddpm-mini": {"dot": {"ratio": 4.0}}}}
    jobs = planned(finished, "all", configs=config_file(finished, overrides=of_dot, morse={"policy": "paper"}))
    assert jobs["sample"] == 6  # two shards of three Morse runs


KILLS = int(os.environ.get("MORSE_KILLS", 3))
VARIES = {"seconds", "decoding_seconds", "memory", "provenance"}
"""Parts of a record that are not the same in a second run."""


def start(folder, configs):
    """A run whose group of processes is its own, and what it prints."""
    return subprocess.Popen(
        command(folder, "all", configs=configs),
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
    )


def processes_of(folder):
    """Command lines of processes that work in a folder, without those that have ended."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        line = " ".join(process.info["cmdline"] or [])
        if str(folder) in line and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(line)
    return found


def assert_whole(results):
    """Each file that has its final name can be read to the end."""
    for path in results.rglob("*.*"):
        if path.name.startswith("."):
            continue
        if path.suffix == ".json":
            json.loads(path.read_text(encoding="utf-8"))
        elif path.suffix == ".npz":
            with np.load(path) as file:
                assert all(file[name] is not None for name in file), path
        elif path.suffix == ".csv":
            assert path.read_text(encoding="utf-8").endswith("\n"), path
        elif path.suffix == ".safetensors":
            assert load_file(path), path


def kill_after(running, jobs, delay, alone):
    """Kills a run, and with it its jobs or not, some seconds after so many of its jobs have ended.

    Returns how many have; fewer, if it was not killed.
    """
    ended = 0
    for line in running.stderr:
        ended += line.startswith("Finished jobid")
        if ended >= jobs and line.startswith("Select jobs to execute"):
            time.sleep(delay)
            break
    (os.kill if alone else os.killpg)(running.pid, signal.SIGKILL)
    running.wait()
    running.stderr.close()
    return ended


@pytest.mark.slow
def test_a_run_killed_at_random_moments_ends_with_the_same_images(finished, tmp_path):
    """Half of the kills are of the run alone, whose job must end by itself."""
    experiments = yaml.safe_load(SMOKE[1].read_text(encoding="utf-8"))["experiments"][:1]
    configs = config_file(tmp_path, experiments=experiments, timing={"rounds": 0}, sensitivity={"budgets": []})
    results, rng = tmp_path / "results" / "smoke", random.Random(8)
    total = planned(tmp_path, "all", configs=configs)["total"]
    ended = 0
    for number, moment in enumerate(sorted(rng.sample(range(total - 2), KILLS))):
        alone = number % 2 == 0
        ended += kill_after(start(tmp_path, configs), max(moment - ended, 0), rng.uniform(0, 6), alone)
        deadline = time.monotonic() + 10
        while left := processes_of(tmp_path):
            assert time.monotonic() < deadline, f"an orphan goes on: {left}"
            time.sleep(0.1)
        assert_whole(results)
        assert snakemake(tmp_path, "--unlock", configs=configs).returncode == 0
    made = snakemake(tmp_path, "all", configs=configs)
    assert made.returncode == 0, made.stderr[-3000:]
    assert not list(results.rglob("*.partial")) and not list(results.rglob("*.resume"))
    assert_whole(results)
    paths = [path.relative_to(results) for path in sorted((results / "records").rglob("*.json"))]
    assert len(paths) == 4
    for path in paths:
        once, again = (
            json.loads((root / path).read_text(encoding="utf-8")) for root in (finished / "results" / "smoke", results)
        )
        assert {key: once[key] for key in once if key not in VARIES} == {
            key: again[key] for key in again if key not in VARIES
        }


REFERENCE = "fashion-mnist/fashion-classifier"


@pytest.mark.slow
def test_shipped_statistics_of_another_extractor_are_made_again(tmp_path):
    torch.manual_seed(0)
    weights = tmp_path / "other.safetensors"
    save_file(SmallClassifier().state_dict(), weights)
    changed = {"weights": {"file": str(weights), "sha256": sha256(weights)}}
    configs = config_file(tmp_path, overrides={"extractors": {"fashion-classifier": changed}})
    made = snakemake(tmp_path, f"results/smoke/statistics/reference/{REFERENCE}.npz", configs=configs)
    assert made.returncode == 0, made.stderr[-3000:]
    found = Statistics.load(tmp_path / f"results/smoke/statistics/reference/{REFERENCE}.npz")
    assert sha256(weights) in found.extractor and found.count == 10_000
    assert "is of another extractor or data" in (tmp_path / f"results/smoke/logs/reference/{REFERENCE}.log").read_text(
        encoding="utf-8"
    )


def test_each_extractor_of_a_task_has_features_and_metrics_of_its_own(tmp_path):
    both = {"tasks": {"fashion-mnist": {"extractors": ["fashion-classifier", "efficientnet-lite0"]}}}
    configs = config_file(tmp_path, overrides=both)
    jobs = planned(tmp_path, "all", configs=configs)
    assert (jobs["reference"], jobs["shard_features"], jobs["metrics"], jobs["sample"]) == (2, 24, 12, 12)
    configs = config_file(tmp_path, overrides=both, quality={"metrics": []})
    jobs = planned(tmp_path, "all", configs=configs)
    assert jobs["metrics"] == 6  # of the further extractor, whose distance is always told
    assert "metrics" not in planned(tmp_path, "all", configs=config_file(tmp_path, quality={"metrics": []}))


FEW = {"models": ["cifar10-ddpm-mini"], "tasks": ["fashion-mnist"], "samplers": ["ddim"], "budgets": [3], "seeds": [0]}
BEST = {
    "execution": "best",
    "shards": 1,
    "morse": {"policy": "paper"},
    "latency": {"batch_sizes": []},
    "quality": {"metrics": []},
    "overrides": {"models": {"cifar10-ddpm-mini": {"dot": {"source": "shipped"}}}},
}


@pytest.mark.slow
def test_with_the_best_execution_each_network_runs_as_its_own_measurement_says(tmp_path):
    few = FEW | {"methods": ["baseline", "morse"]}
    configs = config_file(tmp_path, experiments=[few], timing={"rounds": 0}, **BEST)
    made = snakemake(tmp_path, "results/smoke/tables/runs.csv", configs=configs)
    assert made.returncode == 0, made.stderr[-3000:]
    chosen = {}
    for network in ("dash", "dot"):
        found = json.loads(
            (tmp_path / f"results/smoke/execution/cifar10-ddpm-mini/{network}.json").read_text(encoding="utf-8")
        )
        assert found["execution"] == min(found["seconds"], key=found["seconds"].get) and len(found["seconds"]) >= 2
        assert (found["model"], found["network"], found["batch_size"]) == ("cifar10-ddpm-mini", network, 6)
        chosen[network] = found["execution"]
    runs = pd.read_csv(tmp_path / "results/smoke/tables/runs.csv").set_index("method")
    assert runs["dash_execution"].tolist() == [chosen["dash"]] * 2
    assert runs.loc["morse", "dot_execution"] == chosen["dot"] and pd.isna(runs.loc["baseline", "dot_execution"])
    latency = pd.read_csv(tmp_path / "results/smoke/tables/latency.csv")
    assert latency[["dash_execution", "dot_execution"]].to_numpy().tolist() == [[chosen["dash"], chosen["dot"]]]
    assert runs.loc["morse", "ratio_measured"] == latency.loc[0, "ratio"]


def test_the_best_execution_of_a_baseline_needs_no_dot(tmp_path):
    configs = config_file(tmp_path, experiments=[FEW | {"methods": ["baseline"]}], **BEST)
    jobs = planned(tmp_path, "results/smoke/tables/runs.csv", configs=configs)
    assert jobs["fastest_execution"] == 1 and not {"prepare_dot", "measure_latency"} & set(jobs)
    assert "fastest_execution" not in planned(tmp_path, "all")


INCEPTION = {"tasks": {"fashion-mnist": {"extractors": ["inception"]}}}


def test_published_weights_can_be_fetched_for_the_configuration_that_lacks_them(tmp_path):
    jobs = planned(tmp_path, "published", configs=config_file(tmp_path, overrides=INCEPTION))
    assert jobs["fetch_source"] == 1 and "sample" not in jobs


def assert_stops_with(made, message):
    """The run failed, and one line says why."""
    assert made.returncode != 0
    output = made.stdout + made.stderr  # a dry run logs to stdout
    assert any(message in line for line in output.splitlines()), output
    assert "Traceback" not in output


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"imagess": 3}, "unknown key 'imagess'; did you mean 'images'?"),
        ({"morse": {"auto": {"fine_calls": 35}}}, "morse: auto: fine_calls: 35 are too few for 6 LSD; use 36 or more"),
        ({"images": "many"}, "images: 'many' is not of type 'integer'"),
        ({"images": 1}, "images: 1 are fewer than"),
        (
            {
                "overrides": {
                    "tasks": {
                        "fashion-mnist": {"reference": {"statistics": {"fashion-classifier": {"file": "lost.npz"}}}}
                    }
                }
            },
            "reference statistics of fashion-mnist: lost.npz is missing; restore",
        ),
        (
            {"images": 16, "quality": {"metrics": ["kdi"]}},
            "unknown metric in quality: metrics 'kdi'; did you mean 'kid'?",
        ),
        (
            {"quality": {"metrics": ["frechet_infinity"]}},
            "quality: metrics: frechet_infinity needs 260 images of fashion-mnist, not 24",
        ),
        (
            {"overrides": {"models": {"cifar10-ddpm-mini": 3}}},
            "overrides.models['cifar10-ddpm-mini']: 3 is not of type 'object'",
        ),
        (
            {"overrides": {"models": {"cifar10-ddpm-min": {}}}},
            "unknown model 'cifar10-ddpm-min'; did you mean 'cifar10-ddpm-mini'?",
        ),
        (
            {"overrides": {"models": {"cifar10-ddpm-mini": {"dot": {"rnak": 3}}}}},
            "unknown key 'rnak'; did you mean 'rank'?",
        ),
        (
            {"overrides": {"models": {"cifar10-ddpm-mini": {"dash": {"file": "resources/zoo/lost"}}}}},
            "resources/zoo/lost is missing; restore",
        ),
        (
            {"overrides": {"samplers": {"ddim": {"options": {"etaa": 1.0}}}}},
            "with 3 calls of cifar10-ddpm-mini: unknown option of sampler ddim 'etaa'; did you mean 'eta'?",
        ),
        ({"overrides": {"samplers": {"ddim": {"options": {"eta": 2.0}}}}}, "eta of DDIM lies between 0 and 1, not 2"),
        (
            {"overrides": {"samplers": {"ddim": {"options": {"eta": "much"}}}}},
            "sampler 'ddim' with 3 calls of cifar10-ddpm-mini: ",
        ),
        ({"execution": "fast"}, "execution: 'fast' is not one of"),
        ({"latency": {"executions": ["best"]}}, "latency.executions[0]: 'best' is not one of"),
        (
            {"execution": "cuda-graphs", "device": "cpu"},
            "execution: cuda-graphs needs a GPU; set device: cuda, or another execution",
        ),
        (
            {"overrides": {"tasks": {"fashion-mnist": {"extractors": ["incepton"]}}}},
            "'incepton'; did you mean 'inception'?",
        ),
    ],
)
def test_a_faulty_configuration_stops_with_one_line(tmp_path, changes, message):
    assert_stops_with(snakemake(tmp_path, "-n", configs=config_file(tmp_path, **changes)), message)


@pytest.mark.parametrize(
    ("axis", "name", "near"), [("models", "cifar-ddpm-mini", "cifar10-ddpm-mini"), ("samplers", "dim", "ddim")]
)
def test_an_unknown_name_stops_with_the_nearest_one(tmp_path, axis, name, near):
    experiment = yaml.safe_load(SMOKE[1].read_text(encoding="utf-8"))["experiments"][0] | {axis: [name]}
    made = snakemake(tmp_path, "-n", configs=config_file(tmp_path, experiments=[experiment]))
    assert_stops_with(made, f"unknown {axis[:-1]} {name!r}; did you mean {near!r}?")


@pytest.mark.slow
def test_a_damaged_or_outdated_shard_stops_with_one_line_and_the_way_out(tmp_path):
    """Between, a run goes on with other cores, which needs no way out."""
    experiment = yaml.safe_load(SMOKE[1].read_text(encoding="utf-8"))["experiments"][0] | {
        "methods": ["baseline"],
        "budgets": [3],
    }
    configs = config_file(tmp_path, experiments=[experiment])
    run = "model=cifar10-ddpm-mini/task=fashion-mnist/sampler=ddim/guidance=none/method=baseline/budget=3/seed=0"
    shard, record = f"results/smoke/samples/{run}/shard=0.npz", f"results/smoke/records/{run}.json"
    assert snakemake(tmp_path, "--cores", "1", "--notemp", shard, configs=configs).returncode == 0
    with np.load(tmp_path / shard) as file:
        arrays = dict(file)
    assert arrays["images"].shape == (12, 1, 32, 32)
    whole = (tmp_path / shard).read_bytes()
    (tmp_path / shard).write_bytes(whole[: len(whole) // 2])
    made = snakemake(
        tmp_path, "--notemp", f"results/smoke/features/{run}/fashion-classifier/shard=0.npz", configs=configs
    )
    assert_stops_with(made, f"error in shard_features: shard {shard} is damaged")

    by = json.loads(str(arrays["provenance"]))
    np.savez(tmp_path / shard, **arrays | {"provenance": json.dumps(by | {"code": "older"})})
    made = snakemake(tmp_path, "--notemp", record, configs=configs)
    assert_stops_with(
        made, f"error in record: shard {shard} was made with code older, and shard=1.npz with {by['code']};"
    )
    np.savez(tmp_path / shard, **arrays)
    made = snakemake(tmp_path, "--notemp", record, configs=configs)
    assert made.returncode == 0, made.stderr[-3000:]
    assert json.loads((tmp_path / record).read_text(encoding="utf-8"))["provenance"]["device"].endswith(
        ", 1 and 2 cores"
    )

    np.savez(tmp_path / shard, **arrays | {"provenance": json.dumps(by | {"code": "older"})})
    made = snakemake(tmp_path, "--notemp", record, configs=configs)
    (remedy,) = {*re.findall(r"to sample anew: (rm .*), then run again", made.stdout + made.stderr)}
    subprocess.run(remedy, shell=True, check=True, cwd=tmp_path)
    made = snakemake(tmp_path, "--notemp", record, configs=configs)
    assert made.returncode == 0, made.stderr[-3000:]
    assert json.loads((tmp_path / record).read_text(encoding="utf-8"))["provenance"]["code"] == by["code"]


@pytest.mark.slow
def test_altered_weights_stop_with_one_line(tmp_path):
    override = {"models": {"cifar10-ddpm-mini": {"dash": {"sha256": "0" * 64}}}}
    run = "model=cifar10-ddpm-mini/task=fashion-mnist/sampler=ddim/guidance=none/method=baseline/budget=3/seed=0"
    made = snakemake(
        tmp_path, f"results/smoke/samples/{run}/shard=0.npz", configs=config_file(tmp_path, overrides=override)
    )
    assert_stops_with(made, "dash.safetensors is damaged: sha256")


@pytest.mark.slow
@pytest.mark.skipif("MORSE_LOCALE" not in os.environ, reason="MORSE_LOCALE names no locale that is not UTF-8")
def test_a_run_under_latin_letters_makes_what_one_under_utf_8_does(finished, tmp_path):
    """As of `localedef -i en_US -f ISO-8859-1 en_US.ISO-8859-1`; LOCPATH names another folder."""
    name = os.environ["MORSE_LOCALE"]
    spoken = os.environ | {"LC_ALL": name, "PYTHONUTF8": "0"}
    code = "import locale; print(locale.getpreferredencoding(False).lower())"
    encoding = subprocess.run(
        [sys.executable, "-c", code], env=spoken, capture_output=True, encoding="ascii", check=True
    ).stdout
    if "8859" not in encoding:
        pytest.skip(f"the system has no locale {name}: its encoding is {encoding.strip()}")
    made = snakemake(tmp_path, "all", LC_ALL=name, PYTHONUTF8="0")
    assert made.returncode == 0, made.stderr[-3000:]
    for table in ("speedup.md", "speedup.html", "claims.md", "claims.csv"):
        found = (tmp_path / "results/smoke/tables" / table).read_text(encoding="utf-8")
        assert ("é" in found) == ("é" in (finished / "results/smoke/tables" / table).read_text(encoding="utf-8"))
    runs = [pd.read_csv(folder / "results/smoke/tables/runs.csv", encoding="utf-8") for folder in (finished, tmp_path)]
    assert runs[0]["metric"].tolist() == runs[1]["metric"].tolist() and runs[0]["metric"].str.contains("é").all()
