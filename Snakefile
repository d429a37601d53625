# The benchmark: Morse and its baselines, from weights and data to curves. Settings: config/README.md.
from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

from morse.experiments.cards import resource
from morse.experiments.yaml import read_yaml

min_version("9.12")

# Snakemake's own error for a file that is no YAML names neither file nor line.
try:
    read_yaml(resource("config/config.yaml"))
except ValueError as error:
    raise WorkflowError(str(error)) from None


report: "workflow/report/workflow.rst"


configfile: workflow.source_path("config/config.yaml")


pathvars:
    results="results",


include: "workflow/rules/common.smk"
include: "workflow/rules/inputs.smk"
include: "workflow/rules/text_inputs.smk"
include: "workflow/rules/published.smk"
include: "workflow/rules/training.smk"
include: "workflow/rules/models.smk"
include: "workflow/rules/plans.smk"
include: "workflow/rules/sampling.smk"
include: "workflow/rules/sensitivity.smk"
include: "workflow/rules/timing_inputs.smk"
include: "workflow/rules/timing.smk"
include: "workflow/rules/quality.smk"
include: "workflow/rules/results.smk"
include: "workflow/rules/figures.smk"


rule all:
    default_target: True
    input:
        rules.tables.output,
        rules.figures.input,
        rules.text_tables.output,
        "<results>/notebooks/curves.ipynb",
        "<results>/notebooks/paper_figures.ipynb",
    localrule: True
