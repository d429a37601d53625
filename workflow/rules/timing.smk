# Wall-clock of runs: a batch by each method of a cell in turn, so that drift changes all alike.


rule timing:
    input:
        dash=dash_weights,
        dot=prepared_dot,
        plans=timed_plans,
        executions=measured_executions,
        prompts=encoded_prompts,
    output:
        record=f"<results>/timing/{CELL_PATH}.json",
    log:
        f"<results>/logs/timing/{CELL_PATH}.log",
    conda:
        "../../environment.yml"
    # Alone on the machine, as the runs are.
    threads: all_cores
    resources:
        gpu=1,
    params:
        card=network_view,
        networks=networks_of,
        sampler=sampler_view,
        methods=timed_settings,
        searching=searching_methods,
        rounds=config["timing"]["rounds"],
        images=images_of,
        shards=config["shards"],
        batch_size=batch_size_of,
        size=lambda w: CARDS["task"][w.task]["data"]["size"],
        device=config["device"],
        execution=config["execution"],
    script:
        "../scripts/timing.py"
