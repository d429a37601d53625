# The policy `auto`: a search for plans, by their distance to a fine run of Dash
# (morse/sampling/plan_search.py).


rule fine_run:
    input:
        dash=dash_weights,
        prompts=encoded_prompts,
    output:
        fine=f"{PLANS}/fine.npz",
    log:
        "<results>/logs/fine_run/method={method}/model={model}/sampler={sampler}/guidance={guidance}.log",
    conda:
        "../../environment.yml"
    threads: all_cores
    resources:
        gpu=1,
    params:
        card=lambda w: cards.network_view(CARDS["model"][w.model], ["dash"]),
        sampler=sampler_view,
        images=lambda w: config[w.method]["auto"]["images"],
        calls=lambda w: config[w.method]["auto"]["fine_calls"],
        device=config["device"],
    script:
        "../scripts/fine_run.py"


rule choose_plan:
    input:
        dash=dash_weights,
        dot="<results>/prepared/{model}.safetensors",
        fine=f"{PLANS}/fine.npz",
        prompts=encoded_prompts,
    output:
        plan=f"{PLANS}/budget={{budget}}.json",
    log:
        "<results>/logs/choose_plan/method={method}/model={model}/sampler={sampler}/guidance={guidance}/budget={budget}.log",
    conda:
        "../../environment.yml"
    threads: all_cores
    resources:
        gpu=1,
    params:
        card=network_view,
        sampler=sampler_view,
        auto=lambda w: cards.only(config[w.method]["auto"], ("shares", "leans")),
        paper=lambda w: config[w.method]["paper"],
        device=config["device"],
    script:
        "../scripts/choose_plan.py"
