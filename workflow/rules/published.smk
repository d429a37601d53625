# What others publish: fetched files -> weights and data as jobs read them. Only the jobs `fetch_source`
# use the network. They run for the target `published` alone: before any other run the files must be
# there (morse/preflight.py).
from dataclasses import asdict

from morse.data.preparing import preparation_view

SOURCES = {str(source.path): source for source in needed_sources(CARDS, RUNS)}
CONVERTED = [
    model
    for model in dict.fromkeys(run["model"] for run in RUNS)
    if "source" in CARDS["model"][model]["dash"]
]


PREPARED = [name for name, card in CARDS["task"].items() if "kind" in card["data"]]


rule published:
    input:
        list(SOURCES),
    localrule: True


rule fetch_source:
    output:
        "{source}",
    log:
        "<results>/logs/fetch_source/{source}.log",
    wildcard_constraints:
        source="|".join(map(re.escape, SOURCES)) or "none",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        source=lambda w: asdict(SOURCES[w.source]),
    script:
        "../scripts/fetch_source.py"


rule convert_weights:
    input:
        lambda w: [
            str(source.path)
            for source in sources_of("model", w.model, CARDS["model"][w.model])
        ],
    output:
        weights=str(cards.resource("weights/{model}.safetensors")),
    log:
        "<results>/logs/convert_weights/{model}.log",
    wildcard_constraints:
        model="|".join(map(re.escape, CONVERTED)) or "none",
    conda:
        "../../environment.yml"
    params:
        card=lambda w: cards.only(
            CARDS["model"][w.model],
            ("family", "unet", "autoencoder", "text", "schedule", "dash"),
        ),
    script:
        "../scripts/convert_weights.py"


rule prepare_data:
    input:
        lambda w: [
            str(source.path)
            for source in sources_of("task", w.task, CARDS["task"][w.task])
        ],
    output:
        described=str(cards.resource("data/{task}/dataset.json")),
    log:
        "<results>/logs/prepare_data/{task}.log",
    wildcard_constraints:
        task="|".join(map(re.escape, PREPARED)) or "none",
    conda:
        "../../environment.yml"
    params:
        data=lambda w: preparation_view(CARDS["task"][w.task]["data"]),
    script:
        "../scripts/prepare_data.py"
