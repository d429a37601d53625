# `snakemake zoo` trains anew what resources/zoo ships, for all cards with a recipe, also those no experiment names yet.
# It writes to results/zoo; resources/zoo/README.md says how to ship the outcome.
ZOO_MODELS = sorted(name for name, card in CARDS["model"].items() if "training" in card)
ZOO_TASKS = sorted(
    name for name, card in CARDS["task"].items() if "training" in card["extractor"]
)


rule zoo:
    input:
        collect("<results>/zoo/{model}/dash.json", model=ZOO_MODELS),
        collect("<results>/zoo/{model}/dot.json", model=ZOO_MODELS),
        collect("<results>/zoo/extractor/{task}.json", task=ZOO_TASKS),
    localrule: True


rule zoo_dash:
    output:
        weights="<results>/zoo/{model}/dash.safetensors",
        training="<results>/zoo/{model}/dash.json",
    log:
        "<results>/logs/zoo_dash/{model}.log",
    conda:
        "../../environment.yml"
    threads: all_cores
    resources:
        gpu=1,
    params:
        card=zoo_recipe,
        data=lambda wildcards: data_settings(model_card(wildcards)["training"]["data"]),
        device=config["device"],
    script:
        "../scripts/train_dash.py"


use rule train_dot as zoo_dot with:
    input:
        dash="<results>/zoo/{model}/dash.safetensors",
    output:
        dot="<results>/zoo/{model}/dot.safetensors",
        training="<results>/zoo/{model}/dot.json",
    log:
        "<results>/logs/zoo_dot/{model}.log",


rule zoo_extractor:
    output:
        weights="<results>/zoo/extractor/{task}.safetensors",
        training="<results>/zoo/extractor/{task}.json",
    log:
        "<results>/logs/zoo_extractor/{task}.log",
    conda:
        "../../environment.yml"
    threads: all_cores
    resources:
        gpu=1,
    params:
        data=lambda wildcards: data_settings(wildcards.task),
        recipe=lambda wildcards: CARDS["task"][wildcards.task]["extractor"]["training"],
        device=config["device"],
    script:
        "../scripts/train_extractor.py"
