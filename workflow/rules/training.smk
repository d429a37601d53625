# `snakemake zoo` trains again what resources/zoo ships, for all cards with a recipe, also
# those that no experiment names. It writes to results/zoo; resources/zoo/README.md says how to ship
# the results. A run can also train a Dot.
from morse.experiments.dot_options import dot_means, own_images_view

MEANS_OF = {model: dot_means(card) for model, card in CARDS["model"].items()}
ZOO_MODELS = sorted(name for name, card in CARDS["model"].items() if "training" in card)
ZOO_EXTRACTORS = sorted(
    name for name, card in CARDS["extractor"].items() if "training" in card
)


rule zoo:
    input:
        collect("<results>/zoo/{model}/dash.json", model=ZOO_MODELS),
        collect("<results>/zoo/{model}/dot.json", model=ZOO_MODELS),
        collect("<results>/zoo/extractor/{extractor}.json", extractor=ZOO_EXTRACTORS),
    localrule: True


rule train_dash:
    output:
        weights="<results>/zoo/{model}/dash.safetensors",
        training="<results>/zoo/{model}/dash.json",
    log:
        "<results>/logs/train_dash/{model}.log",
    conda:
        "../../environment.yml"
    threads: all_cores
    resources:
        gpu=1,
    params:
        card=lambda w: cards.dash_training_view(CARDS["model"][w.model]),
        data=lambda w: CARDS["task"][CARDS["model"][w.model]["training"]["data"]][
            "data"
        ],
        device=config["device"],
    script:
        "../scripts/train_dash.py"


# What Dot is trained on where its card has `data: none`: images that Dash itself makes.
rule own_images:
    input:
        dash=lambda w: str(cards.resource(CARDS["model"][w.model]["dash"]["file"])),
    output:
        images="<results>/own_images/{model}/dataset.json",
    log:
        "<results>/logs/own_images/{model}.log",
    conda:
        "../../environment.yml"
    threads: all_cores
    resources:
        gpu=1,
    params:
        card=lambda w: own_images_view(CARDS["model"][w.model]),
        batch_size=config["batch_size"],
        device=config["device"],
    script:
        "../scripts/own_images.py"


# The means of a training are its resources: a change of them trains nothing again.
rule train_dot:
    input:
        dash=lambda w: str(cards.resource(CARDS["model"][w.model]["dash"]["file"])),
        own=own_images,
        data=prepared_data,
    output:
        dot="<results>/dot/{model}.safetensors",
        training="<results>/dot/{model}.json",
    log:
        "<results>/logs/train_dot/{model}.log",
    conda:
        "../../environment.yml"
    threads: all_cores
    resources:
        gpu=lambda w: MEANS_OF[w.model]["processes"],
        processes=lambda w: MEANS_OF[w.model]["processes"],
        accumulate=lambda w: MEANS_OF[w.model]["accumulate"],
        gradient_checkpointing=lambda w: MEANS_OF[w.model]["gradient_checkpointing"],
    params:
        card=lambda w: cards.dot_training_view(CARDS["model"][w.model]),
        data=dot_data,
        device=config["device"],
    script:
        "../scripts/train_dot.py"


use rule train_dot as train_dot_of_the_zoo with:
    input:
        dash="<results>/zoo/{model}/dash.safetensors",
        own=own_images,
        data=prepared_data,
    output:
        dot="<results>/zoo/{model}/dot.safetensors",
        training="<results>/zoo/{model}/dot.json",
    log:
        "<results>/logs/train_dot_of_the_zoo/{model}.log",


rule train_extractor:
    output:
        weights="<results>/zoo/extractor/{extractor}.safetensors",
        training="<results>/zoo/extractor/{extractor}.json",
    log:
        "<results>/logs/train_extractor/{extractor}.log",
    conda:
        "../../environment.yml"
    threads: all_cores
    resources:
        gpu=1,
    params:
        recipe=lambda w: CARDS["extractor"][w.extractor]["training"],
        data=lambda w: CARDS["task"][
            CARDS["extractor"][w.extractor]["training"]["data"]
        ]["data"],
        device=config["device"],
    script:
        "../scripts/train_extractor.py"
