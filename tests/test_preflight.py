"""The shipped configurations pass; what cannot run is one line, before anything runs."""

import copy

import pytest

from morse.experiments.axes import AXES, runs_of
from morse.experiments.cards import ROOT, merged, read_cards
from morse.experiments.schema import read_yaml
from morse.files import DamagedFile
from morse.preflight import preflight, time_of
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
    with pytest.raises(DamagedFile, match=r"weights inception-2015-12-05\.pt are missing") as error:
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


HERE = {"file": __file__}


def model(tasks=("shapes",), **schedule):
    """A card with what preflight reads. All its files are there."""
    dot = {"source": "shipped", "ratio": 5.0, "training": {"data": "shapes"}} | HERE
    return {"tasks": list(tasks), "unet": {"sample_size": 16}, "schedule": schedule, "dash": HERE, "dot": dot}


def task(size):
    return {"data": {"size": size} | HERE, "reference": {}, "extractors": ["small"]}


CARDS = {
    "model": {
        "twin": model(["shapes", "faces"], name="linear"),
        "odd": model(name="linaer"),
        "bad": model(name="linear", beta_start="1e-4"),
        "more": model(name="linear", beta_strat=1e-4),
        "other": model(name="vp-sde"),
    },
    "task": {"shapes": task(16), "faces": task(32)},
    "sampler": {
        "ddim": {"kind": "ddim", "options": {}},
        "ddpm": {"kind": "ddpm", "options": {}, "time": "discrete"},
        "sde": {"kind": "euler-maruyama", "options": {}, "time": "continuous"},
    },
    "extractor": {"small": {"kind": "fashion-classifier", "dimension": 64}},
}


def run(**changes):
    return dict(zip(AXES, ("twin", "shapes", "ddim", "morse", 5, 0), strict=True)) | changes


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
        ({"sampler": "euler"}, "unknown sampler 'euler'; known: ddim, ddpm, sde"),
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
