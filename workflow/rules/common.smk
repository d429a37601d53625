# Configuration -> cards and runs, all checked while the workflow is read. After an error in an
# input function Snakemake would silently reuse stale files. morse/experiments/cards.py gives the
# part of a card that a job depends on.
import re
import sys

from snakemake.exceptions import WorkflowError

from morse import methods
from morse.experiments import cards
from morse.experiments.axes import first_seed_of, path_pattern, runs_of
from morse.experiments.configuration import read_configuration
from morse.experiments.shapes import images_of_run, takes_guidance
from morse.files import DamagedFile
from morse.methods import METHODS
from morse.preflight import needed_sources, preflight
from morse.published import lacking, sources_of
from morse.quality import task_metrics
from morse.results.paper_layout import SCALES, read_layout
from morse.runtime.orphans import hold

# Snakemake's own settings of the command line. --replace-workflow-config leaves out the default.
SETTINGS = workflow.config_settings
DEFAULTS = (
    [] if SETTINGS.replace_workflow_config else [cards.resource("config/config.yaml")]
)

hold()
try:
    # Snakemake starts scripts by a shell line that does not quote the path of Python.
    if odd := "".join(sorted(set(sys.executable) & set(" \t\n'\"\\`$&();<>*?[]|!{}"))):
        raise ValueError(
            f"the path of Python, {sys.executable}, has letters that a shell reads in its own way: "
            f"{odd!r}; use an environment elsewhere, as `make all` does"
        )
    config.update(
        read_configuration([*DEFAULTS, *SETTINGS.configfiles], dict(SETTINGS.config))
    )
    CARDS = cards.read_cards(config["overrides"])
    RUNS = runs_of(config["experiments"])
    LAYOUT = read_layout(
        cards.resource("config/paper_figures.yaml"), cards.schema("paper_figures")
    )
    # Published files need not be there yet for a dry run, or if this run fetches them. Snakemake
    # tells only later, so it is read off the command line.
    TO_COME = {"published", "-n", "--dry-run", "--dryrun"} & {*sys.argv}
    preflight(
        config,
        CARDS,
        RUNS,
        published=not TO_COME,
        zoo=any("zoo" in target for target in sys.argv),
    )
    if TO_COME and (missing := lacking(needed_sources(CARDS, RUNS))):
        print(missing, file=sys.stderr)
except (DamagedFile, ValueError) as error:
    raise WorkflowError(str(error)) from None

RUN = path_pattern()
RUN_PATHS = [RUN.format(**run) for run in RUNS]
CURVES = sorted({(run["model"], run["task"], run["sampler"]) for run in RUNS})
# Model -> the methods of its runs.
METHODS_OF = {
    model: sorted({run["method"] for run in RUNS if run["model"] == model})
    for model in sorted({run["model"] for run in RUNS})
}
# Models with more kinds of call than Dash's, for which latencies are measured.
MEASURED_MODELS = [
    model
    for model, names in METHODS_OF.items()
    if len({letter for name in names for letter in METHODS[name].calls}) > 1
]
DOT_MODELS = [
    model for model, names in METHODS_OF.items() if "dot" in methods.networks_of(names)
]


# The paper's figures are drawn at each scale of the runs. A figure never mixes scales.
SCALES_OF_RUNS = {CARDS["model"][model]["scale"] for model in METHODS_OF}
PAPER_FIGURES = [
    f"{figure}-{scale}"
    for figure in LAYOUT["figures"]
    for scale in SCALES
    if scale in SCALES_OF_RUNS
]


wildcard_constraints:
    model="[^/]+",
    task="[^/]+",
    sampler="[^/]+",
    guidance=r"none|[0-9.]+",
    extractor="[^/]+",
    method="|".join(METHODS),
    network="dash|dot",
    figure="|".join(LAYOUT["figures"]),
    scale="|".join(SCALES),
    budget=r"\d+",
    seed=r"\d+",
    shard=r"\d+",
