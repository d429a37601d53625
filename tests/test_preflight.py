"""The shipped configurations pass; what cannot run is one line, before anything runs."""

import copy

import numpy as np
import pytest
from networks import tiny_card, tiny_images

from morse.data.archive import write_dataset
from morse.experiments.axes import AXES, runs_of
from morse.experiments.cards import ROOT, merged, read_cards, resource
from morse.experiments.yaml import read_yaml
from morse.files import DamagedFile
from morse.fit import time_of
from morse.preflight import preflight
from morse.schedules.noise import DiscreteSchedule
from morse.schedules.presets import SCHEDULES

DEFAULT = read_yaml(ROOT / "config" / "config.yaml")


def check(changes=None, **keywords):
    """Checks the default configuration with nested changes, those of cards too."""
    config = merged(DEFAULT, changes or {})
    preflight(config, read_cards(config["overrides"]), runs_of(config["experiments"]), **keywords)


def of_model(name, **changes):
    return {"overrides": {"models": {name: changes}}}


def of_task(**changes):
    return {"overrides": {"tasks": {"fashion-mnist": changes}}}


def of_sampler(name, **changes):
    return {"overrides": {"samplers": {name: changes}}}


def of_extractor(name, **changes):
    return {"overrides": {"extractors": {name: changes}}}


@pytest.mark.parametrize("name", ["config", "precise", "figure4", "smoke"])
def test_shipped_configurations_pass(name):
    check(read_yaml(ROOT / "config" / f"{name}.yaml"))


def without_data(**own):
    """Changes: a Dot that is trained on images that its Dash makes."""
    training = {"data": "none", "own": own} if own else {"data": "none"}
    return of_model("cifar10-ddpm-mini", dot={"source": "train", "training": training})


def test_dot_needs_no_data_if_dash_makes_them():
    check(without_data())
    check(without_data(), zoo=True)


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ({"sampler": "dim"}, "unknown sampler in dot: training: own 'dim'; did you mean 'ddim'?"),
        ({"calls": 2000}, "dot: training"),
    ],
)
def test_images_that_dash_cannot_make_are_told_before(own, message):
    with pytest.raises(ValueError, match="model 'cifar10-ddpm-mini'") as error:
        check(without_data(**own))
    assert message in str(error.value) and "\n" not in str(error.value)


LOST = {"file": "lost", "sha256": "0" * 64}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": 30}, "images: 30 are fewer than shards, or than twice quality: groups"),
        (
            {"images": 100, "quality": {"metrics": ["frechet_infinity"]}},
            "quality: metrics: frechet_infinity needs 206 images of fashion-mnist, not 100",
        ),
        (
            {"quality": {"metrics": ["frechet_infinite"]}},
            "unknown metric in quality: metrics 'frechet_infinite'; did you mean 'frechet_infinity'?",
        ),
        ({"images": 40, "shards": 8, "grid_images": 6}, "grid_images: 6 are more than the first shard has"),
        ({"execution": "cuda-graphs", "device": "cpu"}, "execution: cuda-graphs needs a GPU"),
        ({"latency": {"executions": ["cuda-graphs"]}, "device": "cpu"}, "execution: cuda-graphs needs a GPU"),
        (
            {"morse": {"policy": "auto", "auto": {"fine_calls": 50}}},
            "morse: auto: fine_calls: 50 are too few for 50 LSD; use 260 or more",
        ),
        (of_model("cifar10-vp-mini", dot={"file": "lost"}), "Dot of cifar10-vp-mini: lost is missing; restore"),
        (of_model("cifar10-vp-mini", dash={"file": "lost"}), "Dash of cifar10-vp-mini: lost is missing; restore"),
        (
            of_model("cifar10-vp-mini", dot={"training": {"data": "fashion"}}),
            "unknown task in model cifar10-vp-mini: dot: training: data 'fashion'; did you mean 'fashion-mnist'?",
        ),
        (of_task(data={"file": "lost"}), "data of fashion-mnist: lost is missing; restore"),
        (
            of_task(reference={"statistics": {"fashion-classifier": LOST}}),
            "reference statistics of fashion-mnist: lost is missing; restore",
        ),
        (
            of_task(reference={"published": {"fashion-classifier": LOST | {"name": "theirs", "images": 2}}}),
            "reference statistics of fashion-mnist: lost is missing; restore",
        ),
        (of_extractor("fashion-classifier", weights=LOST), "extractor fashion-classifier: lost is missing; restore"),
        (
            of_task(extractors=["incepton"]),
            "unknown extractor of task fashion-mnist 'incepton'; did you mean 'inception'?",
        ),
        (
            of_task(extractors=["fashion-classifier", "incepton"]),
            "unknown extractor of task fashion-mnist 'incepton'; did you mean 'inception'?",
        ),
        (
            of_extractor("fashion-classifier", kind="fashion-clasifier"),
            "unknown kind of extractor fashion-classifier 'fashion-clasifier'; did you mean 'fashion-classifier'?",
        ),
        (of_sampler("ddim", options={"etaa": 1.0}), "sampler 'ddim' with 3 calls of cifar10-ddpm-mini: unknown option"),
        (of_sampler("ddim", options={"eta": "much"}), "sampler 'ddim' with 3 calls of cifar10-ddpm-mini: "),
        (of_sampler("ddim", kind="dim"), "unknown sampler 'dim'; did you mean 'ddim'?"),
        (of_sampler("dpm-solver", options={"grid": "uniformly"}), "sampler 'dpm-solver' with 3 calls of "),
    ],
)
def test_what_cannot_run_is_one_line(changes, message):
    with pytest.raises(ValueError) as error:
        check(changes)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_files_that_no_run_uses_may_be_missing():
    """A Dot that is trained in the run, one beside baselines, statistics of another extractor."""
    dot = {"file": "lost", "sha256": "0" * 64}
    check(of_model("cifar10-vp-mini", dot=dot | {"source": "train"}))
    baselines = [{**experiment, "methods": ["baseline"]} for experiment in DEFAULT["experiments"]]
    check({"experiments": baselines} | of_model("cifar10-vp-mini", dot=dot))
    check(of_task(reference={"statistics": {"efficientnet-lite0": LOST}}))
    check(of_extractor("inception", kind="incepton"))


def test_morse_s_own_calls_are_checked_too():
    """A grid that has as many times as the baseline needs may lack those of Morse's plan."""
    only = {**DEFAULT["experiments"][0], "samplers": ["ddim"], "budgets": [400], "methods": ["baseline"]}
    check({"experiments": [only]})
    with pytest.raises(ValueError, match=r"sampler 'ddim' with \d{4} calls of cifar10-ddpm-mini"):
        check({"experiments": [{**only, "methods": ["baseline", "morse"]}], "morse": {"paper": {"dot_share": 0.5}}})


def test_the_policy_auto_needs_the_grid_of_its_fine_run():
    check({"morse": {"policy": "auto"}})
    with pytest.raises(ValueError, match="sampler 'ddim' with 1500 calls of cifar10-ddpm-mini"):
        check({"morse": {"policy": "auto", "auto": {"fine_calls": 1500}}})


def test_the_policy_auto_needs_no_fine_run_where_no_morse_is_asked_for():
    baselines = [{**DEFAULT["experiments"][0], "methods": ["baseline"]}]
    check({"experiments": baselines, "morse": {"policy": "auto", "auto": {"fine_calls": 50}}})


@pytest.mark.parametrize("names", [["inception"], ["fashion-classifier", "inception"]])
def test_published_weights_that_an_extractor_needs_must_be_there(names, tmp_path, monkeypatch):
    """Also those of an extractor that is not the task's first."""
    monkeypatch.setenv("MORSE_WEIGHTS", str(tmp_path))
    asked = of_task(extractors=names)
    message = r"publish are missing: .*inception-2015-12-05\.pt; run `morse fetch inception`"
    with pytest.raises(DamagedFile, match=message) as error:
        check(asked)
    assert "\n" not in str(error.value)
    check(asked, published=False)
    check()  # not asked for
    (tmp_path / "inception-2015-12-05.pt").touch()  # damage shows when it is loaded
    check(asked)


def test_the_dimension_of_the_first_extractor_counts():
    """Of 1280 features, the distance for infinitely many images needs thousands of images."""
    asked = {"quality": {"metrics": ["frechet_infinity"]}}
    check(asked | of_task(extractors=["fashion-classifier", "efficientnet-lite0"]))
    with pytest.raises(ValueError, match="frechet_infinity needs 4046 images of fashion-mnist, not 400"):
        check(asked | of_task(extractors=["efficientnet-lite0", "fashion-classifier"]))


def model(tasks=("shapes",), dot=None, unet=None, chain=None, **schedule):
    """A complete card by the recipe of tests/networks.py. Its weights are never read."""
    card = tiny_card(unet, {"source": "shipped", **HERE} | (dot or {}))
    card["dot"]["training"] = card["dot"]["training"] | {"chain": {"chains": 2, "points": 3} | (chain or {})}
    return card | {"tasks": list(tasks), "schedule": schedule or {"name": "linear"}, "dash": HERE}


def task(name, size=16, **reference):
    return {
        "data": {"file": name, "size": size, "sha256": "0" * 64},
        "reference": {"split": "test"} | reference,
        "extractors": ["any"],
    }


HERE = {"file": __file__, "sha256": "0" * 64}
GREY, COLOURED, LARGE, ODD = "grey.npz", "coloured.npz", "large.npz", "odd.npz"
FILES = {GREY: (1, 16), COLOURED: (3, 16), LARGE: (1, 32), ODD: (1, 15)}
"""Data set file -> channels and size."""
CARDS = {
    "model": {
        "twin": model(["shapes", "faces"]),
        "odd": model(name="linaer"),
        "bad": model(name="linear", beta_start="1e-4"),
        "more": model(name="linear", beta_strat=1e-4),
        "other": model(name="vp-sde"),
    },
    "task": {"shapes": task(GREY), "faces": task(LARGE, 32), "colours": task(COLOURED)},
    "sampler": {
        "ddim": {"kind": "ddim", "options": {}},
        "ddpm": {"kind": "ddpm", "options": {}, "time": "discrete"},
        "sde": {"kind": "euler-maruyama", "options": {}, "time": "continuous"},
        "learned": {"kind": "ddpm", "options": {"variance": "learned_range"}},
    },
    "extractor": {
        "any": {"kind": "efficientnet-lite0", "dimension": 1280},
        "small": {
            "kind": "fashion-classifier",
            "dimension": 64,
            "shape": [1, 32, 32],
            "weights": HERE,
            "training": {"data": "faces", "split": "train"},
        },
    },
}


@pytest.fixture(autouse=True)
def data_files(tmp_path_factory, monkeypatch):
    """The folder of the data set files that these cards name."""
    folder = tmp_path_factory.getbasetemp() / "preflight"
    if not folder.exists():
        folder.mkdir()
        for name, (channels, size) in FILES.items():
            images = tiny_images(30, channels, size)
            splits = {split: (images, np.zeros(30, np.uint8)) for split in ("train", "test")}
            write_dataset(folder / name, splits)
    found = {name: folder / name for name in FILES}
    monkeypatch.setattr("morse.fit.resource", lambda file: found.get(file, resource(file)))
    monkeypatch.setattr("morse.preflight.resource", lambda file: found.get(file, resource(file)))


def changed(kind, name, **changes):
    """The cards with nested changes of one of them, and tasks of a model's size."""
    cards = copy.deepcopy(CARDS)
    if size := changes.get("unet", {}).get("sample_size"):
        cards["task"]["shapes"]["data"]["size"] = size
    cards[kind][name] = merged(cards[kind][name], changes)
    return cards


def run(**changes):
    return dict(zip(AXES, ("twin", "shapes", "ddim", "none", "morse", 5, 0), strict=True)) | changes


def test_runs_that_fit_pass():
    runs = [run(), run(seed=1), run(method="baseline", budget=1), run(budget=2), run(model="other", sampler="sde")]
    cards = copy.deepcopy(CARDS)
    preflight(DEFAULT, cards, runs)
    assert cards == CARDS


def test_the_time_of_a_model_is_its_schedule_s():
    for name in SCHEDULES:
        discrete = isinstance(SCHEDULES[name](), DiscreteSchedule)
        assert time_of({"schedule": {"name": name}}) == ("discrete" if discrete else "continuous")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "twim"}, "unknown model 'twim'; did you mean 'twin'?"),
        ({"task": "shape"}, "unknown task 'shape'; did you mean 'shapes'?"),
        ({"sampler": "euler"}, "unknown sampler 'euler'; known: ddim, ddpm, learned, sde"),
        ({"method": "morce"}, "unknown method 'morce'; did you mean 'morse'?"),
        ({"model": "other", "task": "faces"}, "model 'other' is not for task 'faces'; its tasks: shapes"),
        ({"task": "faces"}, "model 'twin' makes images of 16, task 'faces' has 32"),
        (
            {"sampler": "sde"},
            "sampler 'sde' is for continuous time, model 'twin' has discrete time; use another sampler",
        ),
        (
            {"model": "other", "sampler": "ddpm"},
            "sampler 'ddpm' is for discrete time, model 'other' has continuous time; use another sampler",
        ),
        ({"model": "odd"}, "model 'odd': schedule: unknown noise schedule 'linaer'; did you mean 'linear'?"),
        (
            {"model": "more"},
            "model 'more': schedule: unknown setting of schedule linear 'beta_strat'; did you mean 'beta_start'?",
        ),
        ({"budget": 1}, "budget 1 is too small for morse; use 2 LSD or more"),
        ({"method": "baseline", "budget": 0}, "budget 0 is too small for baseline; use 1 LSD or more"),
    ],
)
def test_what_does_not_fit_is_one_line(changes, message):
    with pytest.raises(ValueError) as error:
        preflight(DEFAULT, CARDS, [run(), run(**changes)])
    assert str(error.value) == f"configuration: {message}"


def test_a_schedule_of_a_wrong_type_is_one_line():
    with pytest.raises(ValueError, match="^configuration: model 'bad': schedule: ") as error:
        preflight(DEFAULT, CARDS, [run(model="bad")])
    assert "\n" not in str(error.value)


LEVEL, BLOCKS = {"attention_levels": [0, 2]}, {"block_out_channels": [8, 12, 16], "attention_levels": []}
TILES = {"block_out_channels": [8], "codes": 16, "tile": 8}
SIZE_28 = {"sample_size": 28, "block_out_channels": [8, 16, 16]}


@pytest.mark.parametrize(
    ("cards", "message"),
    [
        (changed("model", "twin", unet=LEVEL), "unet: attention_levels: 2 is not among the levels 0 to 1"),
        (changed("model", "twin", unet=BLOCKS | {"norm_num_groups": 8}), "norm_num_groups: 8 groups do not divide 12"),
        (changed("model", "twin", unet={"sample_size": 15}), "unet: sample_size: images of 15 are halved 1 times"),
        (changed("model", "twin", unet=SIZE_28), "dot: channels: images of 28 are halved 4 times, and 16 does not"),
        (changed("model", "twin", autoencoder=TILES), "autoencoder: tile: a VQ autoencoder is not decoded in tiles"),
        (changed("model", "twin", family="dpm"), "unknown family 'dpm'; did you mean 'ddpm'?"),
        (
            changed("model", "twin", dot={"training": {"data": "shape"}}),
            "training: data 'shape'; did you mean 'shapes'",
        ),
        (changed("model", "twin", unet={"channels": 3}), "grey.npz has images of 1 channels, the network takes 3"),
        (
            changed("model", "twin", dot={"source": "train", "training": {"chain": {"steps": 4}}}),
            "dot: training: chain: 6 pairs of a draw cannot be dealt out evenly to 4 steps; change one of them",
        ),
        (
            changed("model", "twin", dot={"source": "train", "training": {"chain": {"min_calls": 60.0}}}),
            "dot: training: chain: min_calls 60 are more than max_calls 50",
        ),
        (
            changed("model", "twin", dot={"source": "train", "training": {"split": "tran"}}),
            "unknown split of grey.npz 'tran'; did you mean 'train'? (it has: test, train)",
        ),
        (changed("task", "shapes", data={"file": COLOURED}), "coloured.npz has images of 3 channels, the network tak"),
        (
            changed("task", "shapes", data={"file": LARGE}),
            "large.npz has images of 32 x 32, which cannot be centred in",
        ),
        (changed("task", "shapes", data={"file": ODD}), "odd.npz has images of 15 x 15, which cannot be centred in 16"),
        (changed("task", "shapes", reference={"split": "tset"}), "'tset'; did you mean 'test'? (it has: test, train)"),
        (changed("task", "shapes", extractors=["small"]), "small reads images of (1, 32, 32) alone, not (1, 16, 16)"),
        (
            changed("task", "shapes", reference={"statistics": {"ani": HERE}}),
            "unknown extractor in reference: statistics 'ani'; did you mean 'any'?",
        ),
        (
            changed("task", "shapes", reference={"published": {"ani": HERE}}),
            "unknown extractor in reference: published 'ani'; did you mean 'any'?",
        ),
    ],
)
def test_cards_that_do_not_fit_are_one_line(cards, message):
    with pytest.raises(ValueError) as error:
        preflight(DEFAULT, cards, [run()])
    assert message in str(error.value) and "\n" not in str(error.value)


def test_a_shipped_dot_without_a_file_is_refused():
    cards = copy.deepcopy(CARDS)
    del cards["model"]["twin"]["dot"]["file"]
    with pytest.raises(ValueError, match="'twin': dot: file is missing; name the shipped file, or set source: train"):
        preflight(DEFAULT, cards, [run()])


def test_a_variance_that_no_network_has_learned_is_refused():
    with pytest.raises(ValueError, match="network has no learned variance; use variance: fixed_small"):
        preflight(DEFAULT, CARDS, [run(sampler="learned")])


def test_a_dot_that_no_run_loads_need_not_fit():
    """Images of 28 have a baseline: they can be halved twice."""
    cards = changed("model", "twin", unet=SIZE_28, dot={"training": {"data": "shape"}})
    preflight(DEFAULT, cards, [run(method="baseline")])


@pytest.mark.parametrize(
    ("cards", "message"),
    [
        (
            changed("model", "other", training={"data": "shape"}),
            "model 'other': unknown task in training: data 'shape'",
        ),
        (
            changed("model", "other", training={"data": "colours"}),
            "model 'other': coloured.npz has images of 3 channels",
        ),
        (
            changed("model", "other", dot={"training": {"chain": {"steps": 4}}}),
            "model 'other': dot: training: chain: 6",
        ),
        (
            changed("model", "other", dot={"channels": [4, 8, 8, 8]}),
            "model 'other': dot: channels: images of 16 are halved 5",
        ),
        (
            changed("extractor", "small", training={"data": "shape"}),
            "extractor 'small': unknown task in training: data",
        ),
        (changed("extractor", "small", training={"split": "tran"}), "extractor 'small': unknown split of large.npz"),
    ],
)
def test_the_rule_zoo_checks_what_it_trains(cards, message):
    del cards["model"]["odd"], cards["model"]["bad"], cards["model"]["more"]
    preflight(DEFAULT, cards, [run()])
    with pytest.raises(ValueError, match=f"^configuration: {message}"):
        preflight(DEFAULT, cards, [run()], zoo=True)


def test_metrics_need_images_of_the_reference_too():
    with pytest.raises(ValueError, match="quality: metrics need 40 images of shapes's split test, not 30"):
        preflight(merged(DEFAULT, {"quality": {"groups": 40, "metrics": ["kid"]}}), CARDS, [run()])


PROMPTS = {"file": "prompts.txt"}


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ({}, "configuration: quality: metrics: clip_score needs a task with prompts; leave it out"),
        (
            {"prompts": PROMPTS},
            "clip_score needs an extractor that reads text; add one to .* fashion-mnist, such as clip-vit",
        ),
    ],
)
def test_a_score_of_prompts_needs_prompts_and_an_extractor_that_reads_them(task, message):
    config = merged(DEFAULT, {"quality": {"metrics": ["kid", "clip_score"]}})
    cards, runs = copy.deepcopy(read_cards({})), runs_of(config["experiments"])
    cards["task"]["fashion-mnist"] |= task
    with pytest.raises(ValueError, match=message) as error:
        preflight(config, cards, runs)
    assert "\n" not in str(error.value)


def test_a_score_of_prompts_passes_with_both():
    config = merged(DEFAULT, {"quality": {"metrics": ["clip_score"]}})
    cards, runs = copy.deepcopy(read_cards({})), runs_of(config["experiments"])
    cards["task"]["fashion-mnist"] |= {"prompts": PROMPTS, "extractors": ["fashion-classifier", "clip-vit-l14"]}
    preflight(config, cards, runs, published=False)
    with pytest.raises(DamagedFile, match="weights/clip-vit-l14/merges.txt; run `morse fetch clip-vit-l14`"):
        preflight(config, cards, runs)


def test_compiling_needs_a_compiler(monkeypatch):
    compiled = merged(DEFAULT, {"execution": "compiled"})
    monkeypatch.setenv("CXX", "/bin/sh -x")
    preflight(compiled, CARDS, [run()])
    monkeypatch.delenv("CXX")
    monkeypatch.setenv("PATH", "")
    preflight(DEFAULT, CARDS, [run()])
    with pytest.raises(ValueError, match="execution: compiling needs a C.. compiler; install g.. or name one in the"):
        preflight(compiled, CARDS, [run()])
