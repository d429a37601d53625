"""What a configuration asks for against what there is, checked while the workflow is read and before anything runs.

Each fault would otherwise show when a job starts, perhaps hours later. Nothing here loads a network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from morse.experiments.axes import METHODS
from morse.methods.plans import MIN_MORSE_BUDGET, POLICIES, morse_plan
from morse.published import INCEPTION, require_present
from morse.quality.extractors import DIMENSIONS
from morse.quality.metrics import SECOND_OPINION, least_images
from morse.registry import UnknownName, require_known, unknown
from morse.samplers import make_sampler
from morse.samplers.base import Sampler
from morse.schedules.noise import DiscreteSchedule, make_schedule

Config = Mapping[str, Any]
Cards = Mapping[str, Mapping[str, Mapping[str, Any]]]
Nodes = Sequence[Mapping[str, Any]]


def preflight(config: Config, cards: Cards, chosen: Nodes, resource: Callable[[str], str], published: bool = True) -> None:
    """Checks all that schemas and :func:`morse.preflight.check` cannot.

    Args:
        config: the configuration, valid by its schema.
        cards: "model", "task" and "sampler" -> name -> card.
        chosen: the nodes.
        resource: a card's path -> the file's.
        published: whether others' published weights must be there, where an extractor needs them.

    Raises:
        ValueError: one line that names the key, the value and the mend.
        DamagedFile: where published weights are absent.
    """
    _check_execution(config)
    for task in _tasks(chosen):
        kinds = [extractor["kind"] for extractor in _extractors(config, cards, task)]
        require_known(f"feature extractor of {task}", kinds, DIMENSIONS)
        for kind in kinds:
            if published and kind in INCEPTION:
                require_present(INCEPTION[kind])
    for file, what in _files(config, cards, chosen):
        if not Path(resource(file)).is_file():
            mend = "restore it from the repository, or take it out of the experiments and run `snakemake zoo`"
            raise ValueError(f"{what}: {file} is missing; {mend}")
    _check_counts(config, cards, chosen)
    _check_auto(config, cards, chosen)
    _check_samplers(config, cards, chosen)


def _tasks(chosen: Nodes) -> list[str]:
    return sorted({node["task"] for node in chosen})


def _extractors(config: Config, cards: Cards, task: str) -> list[Mapping[str, Any]]:
    """The settings of all extractors that judge a task's images, the one that counts first."""
    card = cards["task"][task]
    if SECOND_OPINION not in config["quality"]["metrics"]:
        return [card["extractor"]]
    if SECOND_OPINION not in card:
        fault = f"config/tasks/{task}.yaml names no extractor for it; add one, or leave the metric out"
        raise ValueError(f"configuration: quality: metrics: {SECOND_OPINION}: {fault}")
    return [card["extractor"], card[SECOND_OPINION]]


def _files(config: Config, cards: Cards, chosen: Nodes) -> Iterable[tuple[str, str]]:
    """What the nodes load, and what it is. A damaged file shows when its hash is checked, on loading."""
    for node in chosen:
        model = cards["model"][node["model"]]
        yield model["dash"]["file"], f"Dash of {node['model']}"
        if node["method"] == "morse":
            if model["dot"]["source"] == "shipped":
                yield model["dot"]["file"], f"Dot of {node['model']}"
            trained_on = model["dot"]["training"]["data"]  # also what Dot explains is measured on its test split
            require_known(f"task in model {node['model']}: dot: training: data", [trained_on], cards["task"])
            yield cards["task"][trained_on]["data"]["file"], f"data of {trained_on}"
    for task in _tasks(chosen):
        card = cards["task"][task]
        yield card["data"]["file"], f"data of {task}"
        if shipped := card["reference"].get("statistics"):
            yield shipped["file"], f"reference statistics of {task}"
        for extractor in _extractors(config, cards, task):
            if "weights" in extractor:
                yield extractor["weights"]["file"], f"extractor of {task}"


def _check_execution(config: Config) -> None:
    wanted = {config["execution"], *config["latency"]["executions"]}
    if "cuda-graphs" in wanted and config["device"] == "cpu":
        raise ValueError("configuration: execution: cuda-graphs needs a GPU; set device: cuda, or another execution")


def _check_counts(config: Config, cards: Cards, chosen: Nodes) -> None:
    images, shards, groups = config["images"], config["shards"], config["quality"]["groups"]
    if images < max(shards, 2 * groups):
        raise ValueError(f"configuration: images: {images} are fewer than shards, or than twice quality: groups")
    for name in config["quality"]["metrics"]:
        for task in _tasks(chosen):
            needed = least_images(name, DIMENSIONS[cards["task"][task]["extractor"]["kind"]])
            if images < needed:
                raise ValueError(f"configuration: quality: metrics: {name} needs {needed} images of {task}, not {images}")
    if config["grid_images"] > images // shards:
        raise ValueError(f"configuration: grid_images: {config['grid_images']} are more than the first shard has")


def _check_auto(config: Config, cards: Cards, chosen: Nodes) -> None:
    """The fine run that plans are compared with must be finer than all of them."""
    if config["morse"]["policy"] != "auto":
        return
    auto, needs = config["morse"]["auto"], []
    for node in chosen:
        if node["method"] == "morse":
            plan = morse_plan(node["budget"], cards["model"][node["model"]]["dot"]["ratio"], max(auto["shares"]))
            needs.append((2 * max(len(plan.dash), node["budget"]), node["budget"]))
    needed, budget = max(needs, default=(0, 0))
    if auto["fine_calls"] < needed:
        fault = f"{auto['fine_calls']} are too few for {budget} LSD; use {needed} or more"
        raise ValueError(f"configuration: morse: auto: fine_calls: {fault}")


def _check_samplers(config: Config, cards: Cards, chosen: Nodes) -> None:
    """Options must be the sampler's, and its grid must have as many calls as each run makes, the fine run of ``auto`` too."""
    policy, morse = config["morse"]["policy"], config["morse"]
    for node in chosen:
        budget, ratio = node["budget"], cards["model"][node["model"]]["dot"]["ratio"]
        if node["method"] == "baseline":
            _sampler(cards, node, budget)
        elif policy in POLICIES:
            _sampler(cards, node, len(POLICIES[policy](budget, ratio, **morse[policy]).dash))
        elif _sampler(cards, node, morse["auto"]["fine_calls"]).stochastic:  # it follows the paper
            _sampler(cards, node, len(morse_plan(budget, ratio, **morse["paper"]).dash))


def _sampler(cards: Cards, node: Mapping[str, Any], calls: int) -> Sampler:
    try:
        return make_sampler(cards["sampler"][node["sampler"]], make_schedule(cards["model"][node["model"]]["schedule"]), calls)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"configuration: sampler {node['sampler']!r} with {calls} calls of {node['model']}: {error}") from error


def time_of(model: Mapping[str, Any]) -> str:
    """Whether a model's card has a schedule of "discrete" or "continuous" time."""
    return "discrete" if isinstance(make_schedule(model["schedule"]), DiscreteSchedule) else "continuous"


def check(chosen: Iterable[Mapping[str, Any]], cards: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> None:
    """Checks that all that nodes name exists and fits together.

    Snakemake must not be left to find out: an unknown key inside an input function makes it reuse stale results silently.

    Args:
        chosen: the nodes.
        cards: "model", "task" and "sampler" -> name -> card.

    Raises:
        ValueError: one line that names the value and the nearest known one.
    """
    for node in chosen:
        if fault := _fault(node, cards):
            raise ValueError(f"configuration: {fault}")


def _fault(node: Mapping[str, Any], cards: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str | None:
    for kind, known in {**cards, "method": METHODS}.items():
        if node[kind] not in known:
            return unknown(kind, node[kind], known)
    model, task = cards["model"][node["model"]], cards["task"][node["task"]]
    if node["task"] not in model["tasks"]:
        return f"model {node['model']!r} is not for task {node['task']!r}; its tasks: {', '.join(model['tasks'])}"
    if (made := model["unet"]["sample_size"]) != (size := task["data"]["size"]):
        return f"model {node['model']!r} makes images of {made}, task {node['task']!r} has {size}"
    try:
        needs, has = cards["sampler"][node["sampler"]].get("time"), time_of(model)
    except (UnknownName, TypeError, ValueError) as error:
        return f"model {node['model']!r}: schedule: {error}"
    if needs not in (None, has):
        return f"sampler {node['sampler']!r} is for {needs} time, model {node['model']!r} has {has} time; use another sampler"
    if node["method"] == "morse" and node["budget"] < MIN_MORSE_BUDGET:
        return f"budget {node['budget']} is too small for Morse; use {MIN_MORSE_BUDGET} LSD or more"
    return None
