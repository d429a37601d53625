# Images -> features and metrics, by each extractor of a task.
# Features are kept, so that a further metric needs no new samples.


rule reference:
    input:
        data=lambda w: str(cards.resource(CARDS["task"][w.task]["data"]["file"])),
    output:
        statistics="<results>/statistics/reference/{task}/{extractor}.npz",
        features="<results>/features/reference/{task}/{extractor}.npz",
    log:
        "<results>/logs/reference/{task}/{extractor}.log",
    conda:
        "../../environment.yml"
    params:
        data=lambda w: CARDS["task"][w.task]["data"],
        split=lambda w: CARDS["task"][w.task]["reference"]["split"],
        shipped=lambda w: (
            CARDS["task"][w.task]["reference"].get("statistics") or {}
        ).get(w.extractor),
        published=lambda w: (
            CARDS["task"][w.task]["reference"].get("published") or {}
        ).get(w.extractor),
        extractor=lambda w: cards.extractor_view(CARDS["extractor"][w.extractor]),
        device=config["device"],
    script:
        "../scripts/reference.py"


rule shard_features:
    input:
        shard=f"<results>/samples/{RUN}/shard={{shard}}.npz",
    output:
        features=f"<results>/features/{RUN}/{{extractor}}/shard={{shard}}.npz",
    log:
        f"<results>/logs/shard_features/{RUN}/{{extractor}}/shard={{shard}}.log",
    conda:
        "../../environment.yml"
    params:
        extractor=lambda w: cards.extractor_view(CARDS["extractor"][w.extractor]),
        device=config["device"],
    script:
        "../scripts/shard_features.py"


rule prompt_features:
    input:
        prompts=lambda w: task_metrics.prompts_file(CARDS["task"][w.task]),
    output:
        features="<results>/features/prompts/{task}/{extractor}.npz",
    log:
        "<results>/logs/prompt_features/{task}/{extractor}.log",
    conda:
        "../../environment.yml"
    params:
        task=lambda w: task_metrics.prompts_view(CARDS["task"][w.task]),
        extractor=lambda w: cards.extractor_view(CARDS["extractor"][w.extractor]),
        device=config["device"],
    script:
        "../scripts/prompt_features.py"


rule metrics:
    input:
        features=collect(
            f"<results>/features/{RUN}/{{extractor}}/shard={{shard}}.npz",
            shard=range(config["shards"]),
            allow_missing=True,
        ),
        reference="<results>/statistics/reference/{task}/{extractor}.npz",
        reference_features="<results>/features/reference/{task}/{extractor}.npz",
        prompts=lambda w: (
            "<results>/features/prompts/{task}/{extractor}.npz"
            if task_metrics.needs_prompts(metrics_of(w.task)[w.extractor])
            else []
        ),
    output:
        metrics=f"<results>/metrics/{RUN}/{{extractor}}.json",
    log:
        f"<results>/logs/metrics/{RUN}/{{extractor}}.log",
    conda:
        "../../environment.yml"
    params:
        names=lambda w: metrics_of(w.task)[w.extractor],
        caption=lambda w: CARDS["extractor"][w.extractor]["caption"],
        groups=config["quality"]["groups"],
        task=lambda w: task_metrics.prompts_view(CARDS["task"][w.task]),
    script:
        "../scripts/metrics.py"
