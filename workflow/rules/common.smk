# Configuration -> cards and the table of nodes, all checked while the workflow is read: an error inside an input function
# would make Snakemake reuse stale files without a word.
from pathlib import Path

from snakemake.exceptions import WorkflowError

from morse.matrix import AXES, METHODS, check, nodes
from morse.validation import read_yaml, validate

ROOT = Path(workflow.basedir)


def resource(path):
    """A file that ships with the repository, wherever the workflow runs."""
    return str(ROOT / path)


def schema(kind):
    return read_yaml(ROOT / "workflow" / "schemas" / f"{kind}.schema.yaml")


def read_cards(kind):
    """The cards of config/{kind}s: name -> validated content."""
    cards = {}
    for path in sorted((ROOT / "config" / f"{kind}s").glob("*.yaml")):
        cards[path.stem] = read_yaml(path)
        validate(cards[path.stem], schema(kind), str(path))
    return cards


def check_counts():
    if config["images"] < max(config["shards"], 2 * config["quality"]["groups"]):
        raise ValueError(f"images: {config['images']} are fewer than shards, or than twice quality: groups")
    if config["grid_images"] > config["images"] // config["shards"]:
        raise ValueError(f"grid_images: {config['grid_images']} are more than the first shard has")


try:
    validate(config, schema("config"), "configuration")
    CARDS = {kind: read_cards(kind) for kind in ("model", "task", "sampler")}
    NODES = nodes(config["experiments"])
    check(NODES, CARDS)
    check_counts()
except ValueError as error:
    raise WorkflowError(str(error)) from None

RUN = "/".join(f"{axis}={{{axis}}}" for axis in AXES)
RUNS = [RUN.format(**node) for node in NODES]
MODELS = sorted({node["model"] for node in NODES})
MORSE_MODELS = sorted({node["model"] for node in NODES if node["method"] == "morse"})
CURVES = sorted({(node["model"], node["task"], node["sampler"]) for node in NODES})


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
    dot = model_card(wildcards)["dot"]
    return resource(dot["file"]) if dot["source"] == "shipped" else f"<results>/dot/{wildcards.model}.safetensors"


def dot_sha256(wildcards):
    """What the card says of the shipped file; a trained one has no hash beforehand."""
    dot = model_card(wildcards)["dot"]
    return dot["sha256"] if dot["source"] == "shipped" else None


def prepared_dot(wildcards):
    """Baseline runs do not depend on Dot."""
    return f"<results>/prepared/{wildcards.model}.safetensors" if wildcards.method == "morse" else []


def extractor_settings(wildcards):
    """The extractor's settings, its weights' file where the repository lies."""
    settings = {key: value for key, value in CARDS["task"][wildcards.task]["extractor"].items() if key != "training"}
    if "weights" in settings:
        settings["weights"] = settings["weights"] | {"file": resource(settings["weights"]["file"])}
    return settings


def data_settings(task):
    data = CARDS["task"][task]["data"]
    return data | {"file": resource(data["file"])}


def all_cores(wildcards):
    return workflow.cores


