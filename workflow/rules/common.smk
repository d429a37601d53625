# Configuration -> cards and the table of nodes, all checked while the workflow is read: an error inside an input function
# would make Snakemake reuse stale files without a word.
import re
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.utils import update_config

from morse.budget import morse_plan
from morse.files import DamagedFile
from morse.matrix import METHODS, check, nodes, path_pattern
from morse.registry import require_known, unknown
from morse.secondary_metrics import least_images
from morse.statistics import DIMENSIONS
from morse.validation import read_yaml, validate
from morse.weights import INCEPTION, PUBLISHED, directory, require_present

ROOT = Path(workflow.basedir)


def resource(path):
    """A file that ships with the repository, wherever the workflow runs."""
    return str(ROOT / path)


def schema(kind):
    return read_yaml(ROOT / "workflow" / "schemas" / f"{kind}.schema.yaml")


def read_cards(kind):
    """The cards of config/{kind}s, with what the configuration overrides: name -> validated content."""
    cards, overrides = {}, config["overrides"].get(f"{kind}s", {})
    for path in sorted((ROOT / "config" / f"{kind}s").glob("*.yaml")):
        cards[path.stem] = read_yaml(path)
        update_config(cards[path.stem], overrides.get(path.stem, {}))
        validate(cards[path.stem], schema(kind), str(path))
    for name in overrides:
        if name not in cards:
            raise ValueError(f"configuration: overrides: {unknown(kind, name, cards)}")
    return cards


def trains_dot(model):
    """Whether the run trains the model's Dot, instead of loading the shipped one."""
    return CARDS["model"][model]["dot"]["source"] == "train"


def check_files():
    """What the experiments load must be there; a damaged file shows when its hash is checked, on loading."""
    needed = {}
    for node in NODES:
        model, task = CARDS["model"][node["model"]], CARDS["task"][node["task"]]
        needed[model["dash"]["file"]] = f"Dash of {node['model']}"
        if node["method"] == "morse" and not trains_dot(node["model"]):
            needed[model["dot"]["file"]] = f"Dot of {node['model']}"
        needed[task["data"]["file"]] = f"data of {node['task']}"
        if "weights" in task["extractor"]:
            needed[task["extractor"]["weights"]["file"]] = (
                f"extractor of {node['task']}"
            )
        kind = task["extractor"]["kind"]
        require_known(f"feature extractor of {node['task']}", [kind], DIMENSIONS)
        if kind in INCEPTION and "published_weights" not in sys.argv:
            require_present(INCEPTION[kind])
    for file, what in needed.items():
        if not Path(resource(file)).is_file():
            raise ValueError(
                f"{what}: {file} is missing; restore it from the repository, or take it out of the experiments and run `snakemake zoo`"
            )


def check_plans():
    """A fine run that is too short would show only after Dot was trained."""
    auto, needs = config["morse"]["auto"], []
    if config["morse"]["policy"] != "auto":
        return
    for node in NODES:
        if node["method"] == "morse":
            ratio = CARDS["model"][node["model"]]["dot"]["ratio"]
            plan = morse_plan(node["budget"], ratio, max(auto["shares"]))
            needs.append((2 * max(len(plan.dash), node["budget"]), node["budget"]))
    needed, budget = max(needs, default=(0, 0))
    if auto["fine_calls"] < needed:
        raise ValueError(
            f"configuration: morse: auto: fine_calls: {auto['fine_calls']} are too few for {budget} LSD; use {needed} or more"
        )


def check_execution():
    """Without a GPU it would show only after Dot was trained."""
    wanted = {config["execution"], *config["latency"]["executions"]}
    if "cuda-graphs" in wanted and config["device"] == "cpu":
        raise ValueError(
            "configuration: execution: cuda-graphs needs a GPU; set device: cuda, or another execution"
        )


def check_counts():
    if config["images"] < max(config["shards"], 2 * config["quality"]["groups"]):
        raise ValueError(
            f"configuration: images: {config['images']} are fewer than shards, or than twice quality: groups"
        )
    for name in config["quality"]["metrics"]:
        for task in sorted({node["task"] for node in NODES}):
            dim = DIMENSIONS[CARDS["task"][task]["extractor"]["kind"]]
            if config["images"] < (needed := least_images(name, dim)):
                raise ValueError(
                    f"configuration: quality: metrics: {name} needs {needed} images of {task}, not {config['images']}"
                )
    if config["grid_images"] > config["images"] // config["shards"]:
        raise ValueError(
            f"configuration: grid_images: {config['grid_images']} are more than the first shard has"
        )


try:
    validate(config, schema("config"), "configuration")
    check_execution()
    CARDS = {kind: read_cards(kind) for kind in ("model", "task", "sampler")}
    NODES = nodes(config["experiments"])
    check(NODES, CARDS)
    check_files()
    check_counts()
    check_plans()
except (DamagedFile, ValueError) as error:
    raise WorkflowError(str(error)) from None

RUN = path_pattern()
RUNS = [RUN.format(**node) for node in NODES]
MODELS = sorted({node["model"] for node in NODES})
MORSE_MODELS = sorted({node["model"] for node in NODES if node["method"] == "morse"})
CURVES = sorted({(node["model"], node["task"], node["sampler"]) for node in NODES})


# What the training of each shipped Dot took, where its card says so.
TRAININGS = {
    model: CARDS["model"][model]["dot"]["trained"]
    for model in MORSE_MODELS
    if not trains_dot(model) and "trained" in CARDS["model"][model]["dot"]
}


wildcard_constraints:
    model="[^/]+",
    task="[^/]+",
    sampler="[^/]+",
    method="|".join(METHODS),
    budget=r"\d+",
    seed=r"\d+",
    shard=r"\d+",


def model_card(wildcards):
    return CARDS["model"][wildcards.model]


def dash_weights(wildcards):
    return resource(model_card(wildcards)["dash"]["file"])


def dot_weights(wildcards):
    """The shipped file, or the one that this run trains."""
    return (
        f"<results>/dot/{wildcards.model}.safetensors"
        if trains_dot(wildcards.model)
        else resource(model_card(wildcards)["dot"]["file"])
    )


def dot_sha256(wildcards):
    """What the card says of the shipped file; a trained one has no hash beforehand."""
    return (
        None if trains_dot(wildcards.model) else model_card(wildcards)["dot"]["sha256"]
    )


def prepared_dot(wildcards):
    """Baseline runs do not depend on Dot."""
    return (
        f"<results>/prepared/{wildcards.model}.safetensors"
        if wildcards.method == "morse"
        else []
    )


def dash_card(wildcards):
    """What runs of Dash need of the card: a changed recipe, or Dot, makes nothing anew."""
    needed = ("family", "scale", "unet", "schedule", "dash")
    return {key: model_card(wildcards)[key] for key in needed}


def zoo_recipe(wildcards):
    """What Dash's training needs of the card."""
    needed = ("family", "unet", "schedule", "training")
    return {key: model_card(wildcards)[key] for key in needed}


def dot_recipe(wildcards):
    """What Dot's training needs: its form and recipe, not what plans and loading need."""
    apart = ("source", "file", "sha256", "ratio", "trained")
    dot = model_card(wildcards)["dot"]
    return dash_card(wildcards) | {
        "dot": {key: value for key, value in dot.items() if key not in apart}
    }


def sampler_settings(wildcards):
    """What makes the sampler, without what only the checks need."""
    card = CARDS["sampler"][wildcards.sampler]
    return {"kind": card["kind"], "options": card["options"]}


def morse_card(wildcards):
    """What runs of Dash and Dot need."""
    dot = model_card(wildcards)["dot"]
    return dash_card(wildcards) | {
        "dot": {
            key: value
            for key, value in dot.items()
            if key not in ("training", "trained")
        }
    }


def networks(wildcards):
    """What a node needs of the card."""
    return (morse_card if wildcards.method == "morse" else dash_card)(wildcards)


def plan_policy(wildcards):
    """The policy's name and the settings that sampling needs of it; None for a baseline."""
    name = config["morse"]["policy"]
    if wildcards.method != "morse":
        return None
    return {"name": name, "settings": {} if name == "auto" else config["morse"][name]}


def chosen_plan(wildcards):
    """Only with the policy `auto` a plan needs a job of its own."""
    return (
        "<results>/plans/model={model}/sampler={sampler}/budget={budget}.json"
        if wildcards.method == "morse" and config["morse"]["policy"] == "auto"
        else []
    )


def extractor_settings(wildcards):
    """The extractor's settings, its weights' file where the repository lies."""
    settings = {
        key: value
        for key, value in CARDS["task"][wildcards.task]["extractor"].items()
        if key != "training"
    }
    if "weights" in settings:
        settings["weights"] = settings["weights"] | {
            "file": resource(settings["weights"]["file"])
        }
    return settings


def data_settings(task):
    data = CARDS["task"][task]["data"]
    return data | {"file": resource(data["file"])}


def grid_nodes(wildcards):
    """Runs of a curve at its smallest seed: method and budget of each."""
    curve = [
        node
        for node in NODES
        if all(node[axis] == wildcards[axis] for axis in ("model", "task", "sampler"))
    ]
    first = min(node["seed"] for node in curve)
    rows = [node for node in curve if node["seed"] == first]
    return sorted(rows, key=lambda node: (node["budget"], node["method"]))


def all_cores(wildcards):
    return workflow.cores
