# Images -> statistics -> quality -> one record per node -> tables.
# Features are kept, so that another metric samples nothing anew; where no metric needs them, they are not written.
FEATURES = (
    f"<results>/features/{RUN}/shard={{shard}}.npz"
    if set(config["quality"]["metrics"]) - {SECOND_OPINION}
    else []
)

SECOND_FEATURES = (
    f"<results>/features/second/{RUN}/shard={{shard}}.npz"
    if SECOND_OPINION in config["quality"]["metrics"]
    else []
)


rule reference:
    input:
        data=lambda wildcards: data_settings(wildcards.task)["file"],
    output:
        statistics="<results>/statistics/reference/{task}.npz",
        features="<results>/features/reference/{task}.npz" if FEATURES else [],
    log:
        "<results>/logs/reference/{task}.log",
    conda:
        "../../environment.yml"
    params:
        data=lambda wildcards: data_settings(wildcards.task),
        split=lambda wildcards: CARDS["task"][wildcards.task]["reference"]["split"],
        shipped=shipped_reference,
        extractor=extractor_settings,
        device=config["device"],
    script:
        "../scripts/reference.py"


use rule reference as second_reference with:
    output:
        statistics="<results>/statistics/second/reference/{task}.npz",
        features=[],
    log:
        "<results>/logs/second_reference/{task}.log",
    params:
        data=lambda wildcards: data_settings(wildcards.task),
        split=lambda wildcards: CARDS["task"][wildcards.task]["reference"]["split"],
        shipped=None,
        extractor=second_extractor_settings,
        device=config["device"],


rule sample:
    input:
        dash=dash_weights,
        dot=prepared_dot,
        plan=chosen_plan,
        executions=measured_executions,
    output:
        shard=temp(f"<results>/samples/{RUN}/shard={{shard}}.npz"),
    log:
        f"<results>/logs/sample/{RUN}/shard={{shard}}.log",
    conda:
        "../../environment.yml"
    # Alone on the machine, so that its wall-clock means something.
    threads: all_cores
    resources:
        gpu=1,
    params:
        card=networks,
        sampler=sampler_settings,
        policy=plan_policy,
        images=config["images"],
        shards=config["shards"],
        batch_size=config["batch_size"],
        device=config["device"],
        execution=config["execution"],
    script:
        "../scripts/sample.py"


rule statistics:
    input:
        shard=f"<results>/samples/{RUN}/shard={{shard}}.npz",
    output:
        statistics=temp(f"<results>/statistics/{RUN}/shard={{shard}}.npz"),
        features=FEATURES,
    log:
        f"<results>/logs/statistics/{RUN}/shard={{shard}}.log",
    conda:
        "../../environment.yml"
    params:
        extractor=extractor_settings,
        groups=config["quality"]["groups"],
        device=config["device"],
    script:
        "../scripts/shard_statistics.py"


# Its sums would be large, and the metric makes them of the features.
use rule statistics as second_features with:
    output:
        features=f"<results>/features/second/{RUN}/shard={{shard}}.npz",
    log:
        f"<results>/logs/second_features/{RUN}/shard={{shard}}.log",
    params:
        extractor=second_extractor_settings,
        groups=None,
        device=config["device"],


rule record:
    input:
        shards=collect(
            f"<results>/samples/{RUN}/shard={{shard}}.npz",
            shard=range(config["shards"]),
            allow_missing=True,
        ),
        statistics=collect(
            f"<results>/statistics/{RUN}/shard={{shard}}.npz",
            shard=range(config["shards"]),
            allow_missing=True,
        ),
        reference="<results>/statistics/reference/{task}.npz",
    output:
        record=f"<results>/records/{RUN}.json",
        images=f"<results>/images/{RUN}.npz",
    log:
        f"<results>/logs/record/{RUN}.log",
    conda:
        "../../environment.yml"
    params:
        card=networks,
        policy=plan_policy,
        images=config["images"],
        grid_images=config["grid_images"],
    script:
        "../scripts/record.py"


rule metrics:
    input:
        features=collect(
            FEATURES,
            shard=range(config["shards"]),
            allow_missing=True,
        ),
        reference="<results>/statistics/reference/{task}.npz" if FEATURES else [],
        reference_features=(
            "<results>/features/reference/{task}.npz" if FEATURES else []
        ),
        second=collect(
            SECOND_FEATURES,
            shard=range(config["shards"]),
            allow_missing=True,
        ),
        second_reference=(
            "<results>/statistics/second/reference/{task}.npz"
            if SECOND_FEATURES
            else []
        ),
    output:
        metrics=f"<results>/metrics/{RUN}.json",
    log:
        f"<results>/logs/metrics/{RUN}.log",
    conda:
        "../../environment.yml"
    params:
        names=config["quality"]["metrics"],
        groups=config["quality"]["groups"],
    script:
        "../scripts/metrics.py"


rule runs_table:
    input:
        records=[f"<results>/records/{run}.json" for run in RUNS],
        metrics=(
            [f"<results>/metrics/{run}.json" for run in RUNS]
            if config["quality"]["metrics"]
            else []
        ),
        latencies=collect("<results>/latency/{model}.json", model=MORSE_MODELS),
        trainings=[
            f"<results>/dot/{model}.json"
            for model in MORSE_MODELS
            if trains_dot(model)
        ],
    output:
        runs="<results>/tables/runs.csv",
        speedup="<results>/tables/speedup.csv",
        summary="<results>/tables/summary.csv",
        jackknife="<results>/tables/jackknife.csv",
        latency="<results>/tables/latency.csv",
        costs="<results>/tables/costs.csv",
        speedup_by_metric="<results>/tables/speedup_by_metric.csv",
        summary_by_metric="<results>/tables/summary_by_metric.csv",
    log:
        "<results>/logs/runs_table.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        max_quality=config["quality"]["max_quality"],
        saturation=config["quality"]["saturation"],
        margin=config["quality"]["margin"],
        trained=TRAININGS,
    script:
        "../scripts/tables.py"


rule tables:
    input:
        rules.runs_table.output,
    localrule: True
