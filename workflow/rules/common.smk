# Configuration -> cards and the table of nodes, all checked while the workflow is read: an error inside an input function
# would make Snakemake reuse stale files without a word.
import re
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.utils import update_config

from morse.files import DamagedFile
from morse.experiments.axes import METHODS, nodes, path_pattern
from morse.preflight import check
from morse.preflight import preflight
from morse.registry import unknown
from morse.quality.metrics import SECOND_OPINION
from morse.experiments.schema import read_yaml, validate
from morse.published import PUBLISHED, directory

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


try:
    validate(config, schema("config"), "configuration")
    CARDS = {kind: read_cards(kind) for kind in ("model", "task", "sampler")}
    NODES = nodes(config["experiments"])
    check(NODES, CARDS)
    preflight(config, CARDS, NODES, resource, "published_weights" not in sys.argv)
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
    network="dash|dot",
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


def needs_dot(wildcards):
    """Baseline runs do not depend on Dot, nor does a measurement of Dash alone."""
    return not {"baseline", "dash"} & {
        wildcards.get("method"),
        wildcards.get("network"),
    }


def prepared_dot(wildcards):
    return (
        f"<results>/prepared/{wildcards.model}.safetensors"
        if needs_dot(wildcards)
        else []
    )


def measured_executions(wildcards):
    """With the execution `best` a file for each network that the job runs, Dash's first; else none."""
    return [
        f"<results>/execution/{wildcards.model}/{network}.json"
        for network in (["dash", "dot"] if needs_dot(wildcards) else ["dash"])
        if config["execution"] == "best"
    ]


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
    """What a job needs of the card."""
    return (morse_card if needs_dot(wildcards) else dash_card)(wildcards)


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


def extractor_settings(wildcards, role="extractor"):
    """The extractor's settings, its weights' file where the repository lies."""
    settings = {
        key: value
        for key, value in CARDS["task"][wildcards.task][role].items()
        if key != "training"
    }
    if "weights" in settings:
        settings["weights"] = settings["weights"] | {
            "file": resource(settings["weights"]["file"])
        }
    return settings


def second_extractor_settings(wildcards):
    return extractor_settings(wildcards, "second_opinion")


def shipped_reference(wildcards):
    """The card's file of reference statistics, where the repository lies; None where it names none."""
    shipped = CARDS["task"][wildcards.task]["reference"].get("statistics")
    return shipped and shipped | {"file": resource(shipped["file"])}


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
