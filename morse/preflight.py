"""All checks before anything runs: does what a configuration asks for exist and fit together?

Without them each error would show when a job starts, perhaps hours later. Snakemake must not be
left to find it: after an unknown key in an input function it silently reuses stale results. Nothing
here loads a network.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from morse.experiments.axes import UNGUIDED, Run
from morse.experiments.cards import OWN, Cards, method_view, resource, searches
from morse.experiments.shapes import image_shape, images_of_run, takes_guidance
from morse.files import DamagedFile
from morse.fit import check_data, check_models, check_sampler_fits, check_zoo, shapes_in, time_of
from morse.methods import METHODS
from morse.published import Source, lacking, sources_of
from morse.quality.extractors import EXTRACTORS
from morse.quality.metrics import FRECHET, METRICS, require_metrics
from morse.quality.task_metrics import require_prompts
from morse.registry import require_known, unknown

Config = Mapping[str, Any]
Runs = Sequence[Run]


def preflight(config: Config, cards: Cards, runs: Runs, published: bool = True, zoo: bool = False) -> None:
    """Checks all that the schemas cannot check.

    Args:
        config: the configuration, valid by its schema.
        cards: of :func:`morse.experiments.cards.read_cards`.
        runs: of :func:`morse.experiments.axes.runs_of`.
        published: whether files that others publish must be present.
        zoo: whether the rule zoo is asked for, which trains all that has a recipe.

    Raises:
        ValueError: one line that names the key, the value and the remedy.
        DamagedFile: one line with the command that gets them, if published files are absent.
    """
    for run in runs:
        if problem := _problem(run, cards):
            raise ValueError(f"configuration: {problem}")
    check_models(cards, runs)
    _check_execution(config)
    _check_extractors(cards, runs)
    if published and (fault := lacking(needed_sources(cards, runs))):
        raise DamagedFile(fault)
    for file, what in _files(cards, runs):
        if not resource(file).is_file():
            remedy = "restore it from the repository, or take it out of the experiments and run `snakemake zoo`"
            raise ValueError(f"{what}: {file} is missing; {remedy}")
    check_data(cards, runs)
    if zoo:
        check_zoo(cards)
    _check_counts(config, cards, runs)
    _check_fine_calls(config, cards, runs)
    for run in runs:
        _check_calls(config, cards, run)


def _problem(run: Run, cards: Cards) -> str | None:
    """What is wrong with a run's names or their combination; None if nothing is."""
    for kind, known in {
        "model": cards["model"],
        "task": cards["task"],
        "sampler": cards["sampler"],
        "method": METHODS,
    }.items():
        if run[kind] not in known:
            return unknown(kind, run[kind], known)
    model, task = cards["model"][run["model"]], cards["task"][run["task"]]
    if run["task"] not in model["tasks"]:
        return f"model {run['model']!r} is not for task {run['task']!r}; its tasks: {', '.join(model['tasks'])}"
    made, size = image_shape(model)[1], task["data"]["size"]
    if made != size and (not takes_guidance(model) or made % size):
        return f"model {run['model']!r} makes images of {made}, task {run['task']!r} has {size}"
    try:
        needs, has = cards["sampler"][run["sampler"]].get("time"), time_of(model)
    except ValueError as error:
        return f"model {run['model']!r}: {error}"
    if needs not in (None, has):
        return (
            f"sampler {run['sampler']!r} is for {needs} time, model {run['model']!r} has {has} time; "
            "use another sampler"
        )
    if problem := _guidance_problem(run, takes_guidance(model)):
        return problem
    if run["budget"] < (least := METHODS[run["method"]].least_budget):
        return f"budget {run['budget']} is too small for {run['method']}; use {least} LSD or more"
    return None


def _guidance_problem(run: Run, guided: bool) -> str | None:
    """What is wrong with a run's guidance scale; None if nothing is."""
    if guided and run["guidance"] == UNGUIDED:
        return f"model {run['model']!r} is guided; give guidances, such as [1.5, 3, 7.5], in its experiments"
    if not guided and run["guidance"] != UNGUIDED:
        return f"model {run['model']!r} takes no guidance scale, and guidances has {run['guidance']}; leave them out"
    return None


def _check_execution(config: Config) -> None:
    wanted = {config["execution"], *config["latency"]["executions"]}
    if "cuda-graphs" in wanted and config["device"] == "cpu":
        raise ValueError("configuration: execution: cuda-graphs needs a GPU; set device: cuda, or another execution")
    compilers = [*os.environ.get("CXX", "").split()[:1], "g++", "clang++", "c++"]
    if wanted & {"compiled", "cuda-graphs"} and not any(shutil.which(name) for name in compilers):
        raise ValueError(
            "configuration: execution: compiling needs a C++ compiler; install g++ or name one in the variable CXX, "
            "or use eager"
        )


def _tasks(runs: Runs) -> list[str]:
    return sorted({run["task"] for run in runs})


def needed_sources(cards: Cards, runs: Runs) -> list[Source]:
    """Files that others publish and that the runs need.

    Originals are not needed where the weights or data that are made of them are there.
    """
    found, tasks = [], dict.fromkeys([*_tasks(runs), *_trained_on(cards, runs)])
    for name in dict.fromkeys(run["model"] for run in runs):
        if not resource(cards["model"][name]["dash"]["file"]).is_file():
            found += sources_of("model", name, cards["model"][name])
    for name in (name for name in tasks if name in cards["task"]):  # others are found by check_data
        if not resource(cards["task"][name]["data"]["file"]).is_file():
            found += sources_of("task", name, cards["task"][name])
    for name in _tasks(runs):
        found += sources_of("reference", name, cards["task"][name])
    for name in dict.fromkeys(extractor for task in _tasks(runs) for extractor in cards["task"][task]["extractors"]):
        found += sources_of("extractor", name, cards["extractor"][name])
    return found


def _trained_on(cards: Cards, runs: Runs) -> list[str]:
    """Names of the data that Dots of the runs are trained or tried on."""
    models = dict.fromkeys(run["model"] for run in runs if "dot" in METHODS[run["method"]].networks)
    return [cards["model"][name]["dot"]["training"]["data"] for name in models]


def _check_extractors(cards: Cards, runs: Runs) -> None:
    for task in _tasks(runs):
        names = cards["task"][task]["extractors"]
        require_known(f"extractor of task {task}", names, cards["extractor"])
        for name in names:
            kind = cards["extractor"][name]["kind"]
            require_known(f"kind of extractor {name}", [kind], EXTRACTORS)


def _files(cards: Cards, runs: Runs) -> Iterable[tuple[str, str]]:
    """Files that ship and that the runs load, each with what it is.

    Hashes are checked later, on loading, which finds damaged files.
    """
    for run in runs:
        model = cards["model"][run["model"]]
        if "source" not in model["dash"]:
            yield model["dash"]["file"], f"Dash of {run['model']}"
        if "dot" in METHODS[run["method"]].networks:
            if model["dot"]["source"] == "shipped":
                yield model["dot"]["file"], f"Dot of {run['model']}"
            trained_on = model["dot"]["training"]["data"]  # needed too: what Dot explains is measured on its test split
            if trained_on == OWN:
                continue
            require_known(f"task in model {run['model']}: dot: training: data", [trained_on], cards["task"])
            if "kind" not in cards["task"][trained_on]["data"]:
                yield cards["task"][trained_on]["data"]["file"], f"data of {trained_on}"
    for task in _tasks(runs):
        card = cards["task"][task]
        if "kind" not in card["data"]:
            yield card["data"]["file"], f"data of {task}"
        for extractor in card["extractors"]:
            for key in ("statistics", "published"):
                named = (card["reference"].get(key) or {}).get(extractor, {"source": []})
                if "source" not in named:
                    yield named["file"], f"reference statistics of {task}"
            if "source" not in (weights := cards["extractor"][extractor].get("weights", {"source": []})):
                yield weights["file"], f"extractor {extractor}"


def _check_counts(config: Config, cards: Cards, runs: Runs) -> None:
    shards, groups = config["shards"], config["quality"]["groups"]
    images = min([images_of_run(config, cards["task"][task]) for task in _tasks(runs)], default=config["images"])
    if images < max(shards, METRICS[FRECHET].least_images(0, groups)):
        raise ValueError(f"configuration: images: {images} are fewer than shards, or than twice quality: groups")
    require_metrics(config["quality"]["metrics"])
    require_prompts(config, cards, _tasks(runs))
    for name in config["quality"]["metrics"]:
        for task in _tasks(runs):
            first = cards["extractor"][cards["task"][task]["extractors"][0]]
            if images < (needed := METRICS[name].least_images(first["dimension"], groups)):
                raise ValueError(
                    f"configuration: quality: metrics: {name} needs {needed} images of {task}, not {images}"
                )
    fewest = max([2, *(METRICS[name].least_images(0, groups) for name in config["quality"]["metrics"])])
    for task in _tasks(runs):
        data, split = cards["task"][task]["data"], cards["task"][task]["reference"]["split"]
        if (has := shapes_in(data)[split][0]) < fewest:
            raise ValueError(
                f"configuration: quality: metrics need {fewest} images of {task}'s split {split}, not {has}"
            )
    if config["grid_images"] > images // shards:
        raise ValueError(f"configuration: grid_images: {config['grid_images']} are more than the first shard has")


def _check_fine_calls(config: Config, cards: Cards, runs: Runs) -> None:
    """The fine run must have at least twice the calls of any plan that is compared with it."""
    needs = []
    for run in runs:
        if searches(config, run["method"]):
            most = {"policy": "paper", "paper": {"dot_share": max(config[run["method"]]["auto"]["shares"])}}
            longest = METHODS[run["method"]].plan(run["budget"], _ratio(cards, run), most).nfe
            needs.append((2 * max(longest, run["budget"]), run["budget"], run["method"]))
    needed, budget, method = max(needs, default=(0, 0, ""))
    if needed > (has := config[method]["auto"]["fine_calls"] if needs else 0):
        raise ValueError(
            f"configuration: {method}: auto: fine_calls: {has} are too few for {budget} LSD; use {needed} or more"
        )


def _ratio(cards: Cards, run: Run) -> float:
    return cards["model"][run["model"]]["dot"]["ratio"]


def _check_calls(config: Config, cards: Cards, run: Run) -> None:
    """The sampler's options must be valid, and its grid must allow the calls of the run."""
    method, budget, ratio = METHODS[run["method"]], run["budget"], _ratio(cards, run)
    if not searches(config, run["method"]):
        _check_sampler(cards, run, method.plan(budget, ratio, method_view(config, run["method"])).nfe)
        return
    settings = config[run["method"]]
    if _check_sampler(cards, run, settings["auto"]["fine_calls"]):  # stochastic, so there is no search
        _check_sampler(cards, run, method.plan(budget, ratio, {"policy": "paper", "paper": settings["paper"]}).nfe)


def _check_sampler(cards: Cards, run: Run, calls: int) -> bool:
    """Makes the run's sampler; returns whether it is stochastic."""
    try:
        return check_sampler_fits(cards["sampler"][run["sampler"]], cards["model"][run["model"]], calls)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"configuration: sampler {run['sampler']!r} with {calls} calls of {run['model']}: {error}"
        ) from error
