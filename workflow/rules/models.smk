# A model's networks: Dot for inference, the speed of each call here, what Dot explains.


rule prepare_dot:
    input:
        dash=dash_weights,
        dot=lambda w: (
            f"<results>/dot/{w.model}.safetensors"
            if trains_dot(w.model)
            else str(cards.resource(CARDS["model"][w.model]["dot"]["file"]))
        ),
    output:
        dot="<results>/prepared/{model}.safetensors",
    log:
        "<results>/logs/prepare_dot/{model}.log",
    conda:
        "../../environment.yml"
    params:
        card=lambda w: cards.network_view(CARDS["model"][w.model], ["dash", "dot"]),
        # The shipped file's; a trained one has no hash beforehand.
        dot_sha256=lambda w: (
            None if trains_dot(w.model) else CARDS["model"][w.model]["dot"]["sha256"]
        ),
    script:
        "../scripts/prepare_dot.py"


# A job for each network, so that baselines do not depend on Dot. It has no settings of the
# latencies, so that a change of these does not sample all again.
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
        card=network_view,
        batch_size=batch_size_of,
        device=config["device"],
    script:
        "../scripts/fastest_execution.py"


rule measure_latency:
    input:
        dash=dash_weights,
        dot=prepared_dot,
        executions=measured_executions,
    output:
        record="<results>/latency/{model}.json",
    log:
        "<results>/logs/measure_latency/{model}.log",
    conda:
        "../../environment.yml"
    threads: all_cores
    resources:
        gpu=1,
    params:
        card=network_view,
        methods=lambda w: METHODS_OF[w.model],
        settings=config["latency"],
        batch_size=batch_size_of,
        execution=config["execution"],
        device=config["device"],
    script:
        "../scripts/measure_latency.py"


rule explained:
    input:
        dash=dash_weights,
        dot="<results>/prepared/{model}.safetensors",
        own=own_images,
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
        card=lambda w: cards.dot_training_view(CARDS["model"][w.model]),
        data=dot_data,
        draws=config["explained"]["draws"],
        device=config["device"],
    script:
        "../scripts/explained.py"
