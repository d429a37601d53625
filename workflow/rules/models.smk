# Dot: trained here or loaded, made ready for inference; how fast it is, and what it explains.


rule train_dot:
    input:
        dash=dash_weights,
    output:
        dot="<results>/dot/{model}.safetensors",
        training="<results>/dot/{model}.json",
    log:
        "<results>/logs/train_dot/{model}.log",
    conda:
        "../../environment.yml"
    threads: all_cores
    resources:
        gpu=1,
    params:
        card=dot_recipe,
        data=lambda wildcards: data_settings(
            model_card(wildcards)["dot"]["training"]["data"]
        ),
        device=config["device"],
    script:
        "../scripts/train_dot.py"


rule prepare_dot:
    input:
        dash=dash_weights,
        dot=dot_weights,
    output:
        dot="<results>/prepared/{model}.safetensors",
    log:
        "<results>/logs/prepare_dot/{model}.log",
    conda:
        "../../environment.yml"
    params:
        card=morse_card,
        dot_sha256=dot_sha256,
    script:
        "../scripts/prepare_dot.py"


rule fine_run:
    input:
        dash=dash_weights,
    output:
        fine="<results>/plans/model={model}/sampler={sampler}/fine.npz",
    log:
        "<results>/logs/fine_run/model={model}/sampler={sampler}.log",
    conda:
        "../../environment.yml"
    threads: all_cores
    resources:
        gpu=1,
    params:
        card=dash_card,
        sampler=sampler_settings,
        images=config["morse"]["auto"]["images"],
        calls=config["morse"]["auto"]["fine_calls"],
        device=config["device"],
    script:
        "../scripts/fine_run.py"


rule plan:
    input:
        dash=dash_weights,
        dot="<results>/prepared/{model}.safetensors",
        fine="<results>/plans/model={model}/sampler={sampler}/fine.npz",
    output:
        plan="<results>/plans/model={model}/sampler={sampler}/budget={budget}.json",
    log:
        "<results>/logs/plan/model={model}/sampler={sampler}/budget={budget}.log",
    conda:
        "../../environment.yml"
    threads: all_cores
    resources:
        gpu=1,
    params:
        card=morse_card,
        sampler=sampler_settings,
        auto={key: config["morse"]["auto"][key] for key in ("shares", "leans")},
        paper=config["morse"]["paper"],
        device=config["device"],
    script:
        "../scripts/choose_plan.py"


# Apart for each network, so that baselines do not depend on Dot, and with no setting of the latencies, which may change without
# sampling all anew.
rule fastest_execution:
    input:
        dash=dash_weights,
        dot=prepared_dot,
    output:
        record="<results>/execution/{model}/{network}.json",
    log:
        "<results>/logs/fastest_execution/{model}/{network}.log",
    conda:
        "../../environment.yml"
    threads: all_cores
    resources:
        gpu=1,
    params:
        card=networks,
        batch_size=config["batch_size"],
        device=config["device"],
    script:
        "../scripts/fastest_execution.py"


rule latency:
    input:
        dash=dash_weights,
        dot="<results>/prepared/{model}.safetensors",
        executions=measured_executions,
    output:
        record="<results>/latency/{model}.json",
    log:
        "<results>/logs/latency/{model}.log",
    conda:
        "../../environment.yml"
    threads: all_cores
    resources:
        gpu=1,
    params:
        card=morse_card,
        settings=config["latency"],
        batch_size=config["batch_size"],
        execution=config["execution"],
        device=config["device"],
    script:
        "../scripts/measure_latency.py"


rule explained:
    input:
        dash=dash_weights,
        dot="<results>/prepared/{model}.safetensors",
    output:
        record="<results>/explained/{model}.json",
    log:
        "<results>/logs/explained/{model}.log",
    conda:
        "../../environment.yml"
    threads: all_cores
    resources:
        gpu=1,
    params:
        card=dot_recipe,
        data=lambda wildcards: data_settings(
            model_card(wildcards)["dot"]["training"]["data"]
        ),
        draws=config["explained"]["draws"],
        device=config["device"],
    script:
        "../scripts/explained.py"
