# Runs -> images, in shards, and one record for each run.


# Encoded once for all runs of a model, so that no job that samples loads text encoders.
rule encode_prompts:
    input:
        dash=dash_weights,
        prompts=lambda w: task_metrics.prompts_file(CARDS["task"][w.task]),
    output:
        encoded="<results>/prompts/{model}/{task}.safetensors",
    log:
        "<results>/logs/encode_prompts/{model}/{task}.log",
    conda:
        "../../environment.yml"
    threads: all_cores
    resources:
        gpu=1,
    params:
        card=lambda w: cards.network_view(CARDS["model"][w.model], ["dash"]),
        task=lambda w: task_metrics.prompts_view(CARDS["task"][w.task]),
        images=images_of,
        device=config["device"],
    script:
        "../scripts/encode_prompts.py"


rule sample:
    input:
        dash=dash_weights,
        dot=prepared_dot,
        plan=chosen_plan,
        executions=measured_executions,
        prompts=encoded_prompts,
    output:
        shard=temp(f"<results>/samples/{RUN}/shard={{shard}}.npz"),
    log:
        f"<results>/logs/sample/{RUN}/shard={{shard}}.log",
    conda:
        "../../environment.yml"
    # Alone on the machine, so that other jobs do not change its wall-clock.
    threads: all_cores
    resources:
        gpu=1,
    params:
        card=network_view,
        networks=networks_of,
        sampler=sampler_view,
        settings=lambda w: cards.method_view(config, w.method),
        images=images_of,
        shards=config["shards"],
        batch_size=batch_size_of,
        size=lambda w: CARDS["task"][w.task]["data"]["size"],
        device=config["device"],
        execution=config["execution"],
    script:
        "../scripts/sample.py"


rule record:
    input:
        shards=collect(
            f"<results>/samples/{RUN}/shard={{shard}}.npz",
            shard=range(config["shards"]),
            allow_missing=True,
        ),
        features=lambda w: collect(
            f"<results>/features/{RUN}/{first_extractor(w.task)}/shard={{shard}}.npz",
            shard=range(config["shards"]),
            allow_missing=True,
        ),
        reference=lambda w: f"<results>/statistics/reference/{w.task}/{first_extractor(w.task)}.npz",
    output:
        record=f"<results>/records/{RUN}.json",
        images=f"<results>/images/{RUN}.npz",
    log:
        f"<results>/logs/record/{RUN}.log",
    conda:
        "../../environment.yml"
    params:
        scale=lambda w: CARDS["model"][w.model]["scale"],
        settings=lambda w: cards.method_view(config, w.method),
        images=images_of,
        groups=config["quality"]["groups"],
        extractor=lambda w: (
            first_extractor(w.task),
            CARDS["extractor"][first_extractor(w.task)]["caption"],
        ),
        grid_images=config["grid_images"],
    script:
        "../scripts/record.py"
